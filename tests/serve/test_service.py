"""The service through its HTTP interface, in this process."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from toy_service import PairFinder, form, photo

from demagnify.inference import DetectionConfig
from demagnify.inference.case import CaseDocument, write_case

CHANGING = {"created", "command", "page_sha256", "wording", "record_sha256"}
"""What depends on the time, or on files of a case that the service does not write."""


def case_of(folder, **files):
    """What `detect --report` writes about files."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    written = write_case(
        [Path(name) for name in files], folder / "case", DetectionConfig(), finder=PairFinder()
    )
    return json.loads(written.model_dump_json(exclude=CHANGING))


def without(answer):
    return {key: value for key, value in answer.json().items() if key not in CHANGING}


def line(answer, status):
    """The one line of a refusal."""
    assert answer.status_code == status
    assert [*answer.json()] == ["error"]
    assert "Traceback" not in answer.text
    assert "\n" not in answer.json()["error"]
    return answer.json()["error"]


def test_the_answer_is_the_case_of_detect_report(service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {"a.png": photo(1), "b.jpg": photo(2, kind="JPEG"), "c.png": b"no photograph"}
    answer = service().post("/v1/detect", files=form(*files.items()))
    assert answer.status_code == 200
    CaseDocument.model_validate_json(answer.content)
    assert without(answer) == case_of(tmp_path, **files)
    verdicts = [one["faces"] for one in answer.json()["inputs"]]
    assert [*map(len, verdicts)] == [2, 2, 0]
    assert answer.json()["inputs"][2]["problem"].startswith("not an image")


def test_a_clip_is_answered_as_by_detect(service, tmp_path, monkeypatch):
    pytest.importorskip("av")
    from clips import write_clip

    random = np.random.default_rng(0)
    frame = random.integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    clip = write_clip(tmp_path / "clip.mp4", [frame] * 8, rate=8).read_bytes()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client = service(max_seconds=3)
    answer = client.post("/v1/detect", files=form(("clip.mp4", clip)))
    assert without(answer) == case_of(tmp_path, **{"clip.mp4": clip})
    assert answer.json()["inputs"][0]["clip"]["shots"]
    named = client.post("/v1/detect", files=form(("blob", clip, "video/mp4")))
    assert named.json()["inputs"][0]["clip"]["tracks"]
    for limits in ({"max_seconds": 0.5}, {"max_pixels": 1000}):
        assert "than the limit" in line(
            service(**limits).post("/v1/detect", files=form(("clip.mp4", clip))), 422
        )
    assert not [*tmp_path.glob(".demagnify*")]  # its copies are gone


def test_a_service_removes_the_clips_of_one_that_was_killed(service, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / ".demagnify.tmp-abcd1234"
    left.mkdir()
    (left / "clip").write_bytes(b"a face")
    os.utime(left, (0, 0))
    service()
    assert not left.exists()


def test_names_are_texts_and_never_paths(service, tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(photo(3, kind="JPEG"))
    client = service()
    for name in (str(secret), "../../etc/passwd", "a\x00b\n.png", ""):
        content = photo(4)
        answer = client.post("/v1/detect", files=form((name, content)))
        if name:
            (one,) = answer.json()["inputs"]
            assert one["bytes"] == len(content)
            assert len(one["faces"]) == 2
        else:
            line(answer, 400)
    assert str(secret) in line(client.post("/v1/detect", files=form((str(secret), b"x"))), 422)


def test_what_is_at_fault_is_one_line(service):
    client = service(max_bytes=60_000, max_files=2, max_pixels=30_000)
    small = ("a.png", photo(size=(64, 64)))
    assert "not an image" in line(client.post("/v1/detect", files=form(("a.png", b"x"))), 422)
    assert (
        "no face was found"
        in client.post("/v1/detect", files=form(("even.png", photo_of_one_colour()))).json()[
            "inputs"
        ][0]["problem"]
    )
    for no_file in ({}, {"data": {"files": "text"}}, {"files": {"other": ("a.png", b"x")}}):
        assert "file in the field files: curl" in line(client.post("/v1/detect", **no_file), 400)
    assert "limit of 2" in line(client.post("/v1/detect", files=form(small, small, small)), 413)
    assert "limit of 30000" in line(
        client.post("/v1/detect", files=form(("a.jpg", photo(kind="JPEG")))), 422
    )
    too_large = ("a.png", b"x" * 70_000)
    assert "limit of 60000" in line(client.post("/v1/detect", files=form(too_large)), 413)
    chunks = (b"x" * 10_000 for _ in range(9))  # without a length in the header
    head = {"content-type": "multipart/form-data; boundary=b"}
    assert "limit of 60000" in line(client.post("/v1/detect", content=chunks, headers=head), 413)
    broken = client.post(
        "/v1/detect", content=b"?", headers={"content-type": "multipart/form-data"}
    )
    line(broken, 400)
    line(client.get("/v1/detect"), 405)
    line(client.get("/elsewhere"), 404)
    one_face = service(max_faces=1)
    assert "2 faces are more" in line(one_face.post("/v1/detect", files=form(small)), 422)


def photo_of_one_colour():
    from demagnify.core.images import encode_png

    return encode_png(np.full((64, 64, 3), 90, np.uint8))


def test_the_token_is_asked_for_and_never_told(service, tmp_path, monkeypatch, capsys):
    (tmp_path / "token").write_text("very-secret\n")
    client = service(token_file=tmp_path / "token")
    files = form(("a.png", photo()))
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "very-secret"}):
        refused = client.post("/v1/detect", files=files, headers=headers)
        assert "token" in line(refused, 401)
        assert refused.headers["www-authenticate"] == "Bearer"
    right = {"Authorization": "Bearer very-secret"}
    answer = client.post("/v1/detect", files=files, headers=right)
    assert answer.status_code == 200
    assert client.get("/metrics").status_code == 401
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}
    told = (
        answer.text + client.get("/openapi.json").text + client.get("/metrics", headers=right).text
    )
    assert 'demagnify_requests_total{status="401"} 3.0' in told
    assert "very-secret" not in told + "".join(capsys.readouterr())


def test_more_requests_than_the_limit_are_sent_away(service, pipeline):
    from dataclasses import replace

    started, go_on = threading.Event(), threading.Event()

    class Slow(PairFinder):
        def find(self, pixels):
            started.set()
            assert go_on.wait(10)
            return super().find(pixels)

    client = service(using=replace(pipeline, finder=Slow()), max_requests=1)
    files = form(("a.png", photo()))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/detect", files=files)
        assert started.wait(10)
        refused = client.post("/v1/detect", files=files)
        go_on.set()
        assert "too many requests" in line(refused, 429)
        assert refused.headers["retry-after"] == "1"
        assert first.result().status_code == 200
    assert client.post("/v1/detect", files=files).status_code == 200


def test_a_fault_of_the_service_is_one_line_and_stops_nothing(service, pipeline):
    from dataclasses import replace

    class Broken:
        def find(self, pixels):
            raise ZeroDivisionError

    client = service(using=replace(pipeline, finder=Broken()))
    files = form(("a.png", photo()))
    assert "log" in line(client.post("/v1/detect", files=files), 500)
    assert client.get("/ready").status_code == 200


def test_requests_at_the_same_time_share_batches_and_get_their_own_answers(service):
    client = service(workers=5)
    contents = [photo(seed) for seed in range(5)]

    def post(content):
        return client.post("/v1/detect", files=form(("a.png", content))).json()["inputs"][0]

    alone = [post(content) for content in contents]
    with ThreadPoolExecutor(5) as pool:
        together = [*pool.map(post, contents)]
    for one, other in zip(alone, together, strict=True):
        assert one["sha256"] == other["sha256"]
        for a, b in zip(one["faces"], other["faces"], strict=True):
            assert a["logit"] == pytest.approx(b["logit"], abs=1e-3)
            assert a["verdict"] == b["verdict"]
    figures = dict(
        row.rsplit(" ", 1) for row in client.get("/metrics").text.splitlines() if row[0] != "#"
    )
    assert float(figures['demagnify_requests_total{status="200"}']) == 10
    assert float(figures["demagnify_batch_faces_sum"]) == 10 * 2 * 2  # and as delivered
    assert float(figures["demagnify_batch_faces_count"]) <= 20
    assert float(figures["demagnify_requests_in_work"]) == 0


def test_the_description_has_a_valid_example_and_no_page_from_elsewhere(service):
    client = service()
    described = client.get("/openapi.json").json()
    answers = described["paths"]["/v1/detect"]["post"]["responses"]
    CaseDocument.model_validate(answers["200"]["content"]["application/json"]["example"])
    assert set(answers) == {"200", "400", "401", "413", "422", "429", "503"}
    places = client.get("/").json()
    assert (places["classify"], places["description"]) == ("POST /v1/detect", "/openapi.json")
    assert all(client.get(places[name]).status_code == 200 for name in ("health", "metrics"))
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
