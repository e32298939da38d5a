"""The answers, pictures and reports of the page."""

import re

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from toy_service import PairFinder, photo

from demagnify.core import images
from demagnify.inference import DetectionConfig, Pipeline
from demagnify.serve import reports
from demagnify.serve.face_pictures import corrected, of_face, residual, spectrum
from demagnify.serve.work import Limits


def pixels(seed=0):
    return images.decode(photo(seed, size=(64, 64)))


def test_the_residual_of_an_even_face_is_grey_and_of_a_dot_is_not():
    even = np.full((32, 32, 3), 90, np.uint8)
    assert (residual(even) == 128).all()
    even[16, 16] += 4
    assert residual(even)[16, 16].tolist() == [160] * 3
    assert residual(even)[16, 17].tolist() == [120] * 3


def test_the_spectrum_is_brightest_at_the_frequency_of_a_wave():
    wave = 128 + 60 * np.sin(2 * np.pi * 8 * np.arange(64) / 64)
    shown = spectrum(np.broadcast_to(wave[None, :, None], (64, 64, 3)).astype(np.uint8))
    brightest = shown.astype(int).sum(2)
    assert brightest[32, 32 + 8] == brightest.max() == brightest[32, 32 - 8]


def test_the_corrected_face_is_that_of_the_action():
    face = pixels()
    assert corrected(face, "identity") is face
    assert np.array_equal(corrected(face, "flip"), face[:, ::-1])
    titles = [one.title for one in of_face(face, "flip", 1)]
    assert titles == ["As found", "Corrected (flip)", "Noise residual, 8 times", "Spectrum"]
    titles = [one.title for one in of_face(face, "identity", 1)]
    assert titles == ["As found", "Noise residual, 8 times", "Spectrum"]


def test_only_reports_have_an_address(tmp_path):
    for name in ("demo/report.html", "a/b/index.html", "secret.html", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("<p>report</p>")
    assert list(reports.found(tmp_path)) == ["a/b/index.html", "demo/report.html"]
    assert reports.how_many(reports.found(tmp_path)) == "2 reports: choose one above."
    assert "demagnify demo" in reports.how_many(reports.found(tmp_path / "none"))
    app = FastAPI()
    app.include_router(reports.router(tmp_path))
    client = TestClient(app)
    shown = client.get(reports.address("demo/report.html"))
    assert shown.text == "<p>report</p>"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    for name in ("secret.html", "a/notes.txt", "../x/report.html", str(tmp_path / "secret.html")):
        assert client.get(reports.address(name)).status_code == 404


@pytest.fixture(scope="module")
def answers():
    pytest.importorskip("jinja2")
    from demagnify.serve.answers import Answers

    config = DetectionConfig(defense="light")
    return Answers(Pipeline.load(config, finder=PairFinder()), Limits(10**6, 2, 3.0))


def test_an_answer_escapes_names_and_says_faults_in_one_line(answers, tmp_path):
    bad = tmp_path / "<b>&.png"
    bad.write_bytes(b"no photograph")
    said = answers.classify(bad)
    assert 'role="alert"' in said
    assert "&lt;b&gt;&amp;.png: not an image" in said
    assert "<b>" not in said
    bad.write_bytes(photo(size=(1100, 1000)))
    assert "more than the limit of 1000000" in answers.classify(bad)
    assert answers.classify(None) == ""
    assert "drop a photograph" in answers.launder(None, "jpeg-50")


def test_an_answer_names_verdicts_and_describes_every_picture(answers, tmp_path):
    (tmp_path / "a.png").write_bytes(photo(1))
    said = answers.classify(tmp_path / "a.png")
    assert re.search(r"2 faces: (\d (real|fake|unsure)(, )?)+", said)
    pictures = re.findall(r"<img [^>]*>", said)
    # Of each face: as found, residual and spectrum; corrected only where something was done.
    assert len(pictures) == 7 + said.count("Corrected (")
    assert all('alt="' in one and 'alt=""' not in one for one in pictures)
    for part in ("Likelihood ratio", "Condition", "Enhanced?", "Uncertainty", "Score"):
        assert said.count(f"<dt>{part}</dt>") == 2
