import hashlib
import importlib
import json
import re
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from clips import cut, write_clip
from demagnify.core import images
from demagnify.core.errors import BadArtifactError, BadOutputError
from demagnify.data.face_finding import Face
from demagnify.inference import DetectionConfig
from demagnify.inference.answers import Interpreter
from demagnify.inference.case import CaseDocument, verify_case, write_case
from demagnify.inference.case.page import rates_in_words, render
from demagnify.inference.conditions import Condition, Rate
from demagnify.inference.runtime import load_runtime

NAME = "<b>a & b</b>.png"
SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "case.json"
SCHEMA_KEYS = [
    "kind",
    "schema_version",
    "created",
    "command",
    "machine",
    "versions",
    "configuration",
    "configuration_sha256",
    "weights",
    "calibration",
    "propositions",
    "limits",
    "inputs",
    "skipped",
    "pdf_sha256",
    "page_sha256",
    "wording",
    "record_sha256",
]


class MiddleFinder:
    """Finds one face, in the middle of every photograph."""

    def find(self, pixels):
        height, width = pixels.shape[:2]
        box = (width * 0.3, height * 0.3, width * 0.4, height * 0.4)
        return [Face(box, np.zeros((5, 2), dtype=np.float32), 0.9)]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    random = np.random.default_rng(0)
    images.save_png(folder / "in" / NAME, random.integers(0, 256, (160, 160, 3), dtype=np.uint8))
    (folder / "in" / "broken.jpg").write_bytes(b"no photograph")
    config = DetectionConfig(defense="light")
    write_case(
        [folder / "in"],
        folder / "case",
        config,
        command="demagnify detect in",
        finder=MiddleFinder(),
    )
    return folder  # fmt: skip


@pytest.fixture
def kept(case):
    """The case; changed files are put back."""
    before = {path: path.read_bytes() for path in case.rglob("*") if path.is_file()}
    yield case
    for path in [path for path in case.rglob("*") if path.is_file() and path not in before]:
        path.unlink()
    for path, content in before.items():
        path.write_bytes(content)


def test_a_case_names_inputs_answers_and_what_they_depend_on(case):
    document = CaseDocument.read(case / "case")
    broken, photo = sorted(document.inputs, key=lambda one: not one.problem)
    assert broken.problem
    assert broken.sha256
    (face,) = photo.faces
    assert (case / "case" / face.crop).is_file()
    assert face.condition == "not validated"  # light has no calibration
    assert face.likelihood_ratio is None
    assert len(document.weights.fingerprint) == 64
    assert document.settings().defense == "light"


def test_the_page_escapes_names_and_holds_no_script(case):
    page = (case / "case" / "index.html").read_text("utf-8")
    assert "&lt;b&gt;a &amp; b&lt;/b&gt;.png" in page
    assert "<b>" not in page
    assert "<script" not in page
    assert "No likelihood ratio can be given" in page
    assert set(re.findall(r'(?:src|href)="([a-z]+:)', page)) == {"data:"}


def test_the_page_is_dark_where_wanted_and_as_wide_as_a_phone(case, looked_at):
    seen = {}
    for scheme, page in looked_at((case / "case" / "index.html").as_uri()):
        seen[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert seen == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}


def test_an_unchanged_case_is_verified(kept):
    (kept / "case" / ".DS_Store").write_bytes(b"left by a desktop")
    case = kept
    assert verify_case(case / "case", finder=MiddleFinder()) == []


def test_one_changed_byte_of_an_input_is_named(kept):
    path = kept / "in" / NAME
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    (fault,) = verify_case(kept / "case", finder=MiddleFinder())
    assert fault == f"{path}: the file has changed (SHA-256 differs)"


def test_a_changed_answer_page_or_crop_is_named(kept):
    (crop,) = (kept / "case" / "crops").iterdir()
    page, record = kept / "case" / "index.html", kept / "case" / "case.json"
    page.write_text(page.read_text("utf-8").replace("Face 1: ", "Face 1: not "))
    (fault,) = verify_case(kept / "case", finder=MiddleFinder())
    assert fault == f"{page}: the file has changed (SHA-256 differs)"
    document = json.loads(record.read_text("utf-8"))
    (face,) = next(one["faces"] for one in document["inputs"] if one["faces"])
    face["crop_sha256"] = "0" * 64
    record.write_text(json.dumps(document))
    assert verify_case(kept / "case")[0].startswith(f"{crop}: ")
    record.write_text("{}")
    with pytest.raises(BadArtifactError, match="is no case"):
        verify_case(kept / "case")


def test_a_changed_answer_is_computed_again(kept):
    folder = kept / "case"
    document = CaseDocument.read(folder)
    inputs = [
        one.model_copy(
            update={"faces": tuple(f.model_copy(update={"logit": 9.0}) for f in one.faces)}
        )
        for one in document.inputs
    ]
    forge(folder, document.model_copy(update={"inputs": tuple(inputs)}))
    (fault,) = verify_case(folder, finder=MiddleFinder())
    assert "logit: recorded 9.0, computed " in fault


def forge(folder, document):
    """Writes a record and its page, as one who knows how hashes are made would."""
    page = render(document, folder).encode()
    (folder / "index.html").write_bytes(page)
    digest = hashlib.sha256(page).hexdigest()
    document.model_copy(update={"page_sha256": digest}).write(folder)


def test_the_changed_file_and_every_changed_answer_are_named(kept):
    folder = kept / "case"
    record = folder / "case.json"
    document = json.loads(record.read_text("utf-8"))
    (face,) = next(one["faces"] for one in document["inputs"] if one["faces"])
    face["verdict"] = "real" if face["verdict"] == "fake" else "fake"
    face["score"] = 0.25
    record.write_text(json.dumps(document))
    changed, verdict, score = verify_case(folder, finder=MiddleFinder())  # the page is not blamed
    assert changed == f"{record}: the file has changed (its own SHA-256 differs)"
    assert verdict.startswith(f"{record}: {kept / 'in' / NAME}: faces[0].verdict: recorded ")
    assert "faces[0].score: recorded 0.25, computed " in score
    (kept / "in" / "broken.jpg").write_bytes(b"another")
    faults = verify_case(folder, finder=MiddleFinder())
    assert [one for one in faults if "broken.jpg: the file has changed" in one]
    assert [one for one in faults if "faces[0].verdict" in one]


def test_a_forged_date_names_both_files(kept):
    folder = kept / "case"
    document = CaseDocument.read(folder)
    document.model_copy(update={"created": "1999-01-01T00:00:00+00:00"}).write(folder)
    (fault,) = verify_case(folder, finder=MiddleFinder())
    assert fault.startswith(f"{folder / 'index.html'}: line ")
    assert document.created in fault
    assert "after case.json '<p>Made 1999-01-01" in fault


def edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


CROP = "case/crops/0001-1.png"
TAMPERED = {
    "a byte of an input": (f"in/{NAME}", lambda case: flip(case / "in" / NAME, -20)),
    "an input is gone": (f"in/{NAME}", lambda case: (case / "in" / NAME).unlink()),
    "an input is replaced": (
        "in/broken.jpg",
        lambda case: shutil.copy(case / "in" / NAME, case / "in/broken.jpg"),
    ),
    "a byte of a crop": (CROP, lambda case: flip(case / CROP, 100)),
    "a crop is gone": (CROP, lambda case: (case / CROP).unlink()),
    "a crop is added": (
        "case/crops/0009-1.png",
        lambda case: shutil.copy(case / CROP, case / "case/crops/0009-1.png"),
    ),
    "a note is added": ("case/note.txt", lambda case: (case / "case/note.txt").write_text("x")),
    "a byte of the page": ("case/index.html", lambda case: flip(case / "case/index.html", 900)),
    "line ends of the page": (
        "case/index.html",
        lambda case: (case / "case/index.html").write_bytes(
            (case / "case/index.html").read_bytes().replace(b"\n", b"\r\n")
        ),
    ),
    "the page is gone": ("case/index.html", lambda case: (case / "case/index.html").unlink()),
    "the machine": (
        "case/case.json",
        lambda case: edit(case / "case/case.json", '"machine": "', '"machine": "my '),
    ),
    "a space in the record": (
        "case/case.json",
        lambda case: edit(case / "case/case.json", '"kind": ', '"kind":  '),
    ),
    "a key of the record twice": (
        "case/case.json",
        lambda case: edit(case / "case/case.json", "{", '{"created": "1999",'),
    ),
    "another hash of an input": (
        "case/case.json",
        lambda case: edit(case / "case/case.json", '"bytes": 13', '"bytes": 14'),
    ),
    "the record's own hash is gone": (
        "case/case.json",
        lambda case: edit(case / "case/case.json", '"wording"', '"record_sha256": null, "wording"'),
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_each_way_to_tamper_is_named(case, tmp_path, monkeypatch, what):
    module = importlib.import_module("demagnify.inference.case.verify")
    monkeypatch.setattr(module, "_examined", lambda document, *_: document)  # hashes alone
    for folder in ("in", "case"):
        shutil.copytree(case / folder, tmp_path / folder)
    document = CaseDocument.read(tmp_path / "case")
    moved = [
        one.model_copy(update={"file": one.file.replace(str(case), str(tmp_path))})
        for one in document.inputs
    ]
    forge(tmp_path / "case", document.model_copy(update={"inputs": tuple(moved)}))
    assert verify_case(tmp_path / "case", finder=MiddleFinder()) == []
    named, change = TAMPERED[what]
    change(tmp_path)
    faults = verify_case(tmp_path / "case", finder=MiddleFinder())
    assert [one for one in faults if one.startswith(f"{tmp_path / named}: ")], faults


@pytest.fixture
def older(case, tmp_path, monkeypatch):
    """A case that a version with another page wrote."""
    module = importlib.import_module("demagnify.inference.case.page")
    document = importlib.import_module("demagnify.inference.case.document")
    words = module._template()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_template", lambda: words.replace("Face ", "The face "))
        patch.setattr(document, "LIMITS", (*document.LIMITS[1:], "A sentence of old."))
        patch.setattr(document, "_versions", lambda: {"demagnify": "0.1.0"})
        config = DetectionConfig(defense="light")
        write_case([case / "in"], tmp_path / "older", config, finder=MiddleFinder())
    return tmp_path / "older"


def test_the_page_of_another_version_is_checked_by_its_hash(older):
    notes = []
    assert verify_case(older, finder=MiddleFinder(), on_note=notes.append) == []
    (note,) = notes
    assert note.startswith("made by demagnify 0.1.0, this is ")
    edit(older / "index.html", "The face ", "No face ")
    (fault,) = verify_case(older, finder=MiddleFinder())
    assert fault == f"{older / 'index.html'}: the file has changed (SHA-256 differs)"


def test_a_page_without_a_recorded_hash_may_be_an_older_one(older):
    text = (older / "case.json").read_text("utf-8")
    kept = json.loads(text)
    for name in ("page_sha256", "wording", "record_sha256"):  # which older versions did not write
        del kept[name]
    (older / "case.json").write_text(json.dumps(kept))
    (fault,) = verify_case(older, finder=MiddleFinder())
    assert "changed, or as demagnify 0.1.0 wrote it, which recorded no SHA-256" in fault


def test_a_case_is_not_replaced_unless_asked(case):
    before = (case / "case" / "case.json").read_bytes()
    with pytest.raises(BadOutputError, match="holds a case"):
        write_case([case / "in"], case / "case", DetectionConfig(defense="light"))
    assert (case / "case" / "case.json").read_bytes() == before


def test_two_runs_differ_in_their_time_only(case, tmp_path):
    config = DetectionConfig(defense="light")
    how = {"command": "demagnify detect in", "finder": MiddleFinder()}
    again = write_case([case / "in"], tmp_path / "again", config, **how)
    apart = {"created", "page_sha256", "record_sha256"}  # hashes that depend on the time
    first = CaseDocument.read(case / "case").model_dump(exclude=apart)
    assert again.model_dump(exclude=apart) == first


def test_a_case_is_never_written_among_its_inputs(case, tmp_path):
    with pytest.raises(BadOutputError, match="lies inside"):
        write_case([case / "in"], case / "in" / "case")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadOutputError, match="holds other files"):
        write_case([case / "in"], tmp_path)


def test_the_published_schema_is_that_of_the_models(case):
    published = SCHEMA.read_text(encoding="utf-8")
    assert published == CaseDocument.schema_text()
    schema = json.loads(published)
    assert list(schema["properties"]) == SCHEMA_KEYS
    assert schema["additionalProperties"] is False
    jsonschema.Draft202012Validator.check_schema(schema)
    written = json.loads((case / "case" / "case.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(written)
    with pytest.raises(jsonschema.ValidationError, match="kind"):
        validator.validate({key: one for key, one in written.items() if key != "kind"})


def test_what_was_found_and_not_examined_is_in_record_and_page(tmp_path):
    images.save_png(tmp_path / "in" / "a.png", np.full((160, 160, 3), 90, np.uint8))
    (tmp_path / "in" / "dangling.png").symlink_to("nowhere.png")
    heard = []
    write_case(
        [tmp_path / "in"],
        tmp_path / "case",
        DetectionConfig(defense="light"),
        finder=MiddleFinder(),
        on_skip=heard.append,
    )
    (one,) = CaseDocument.read(tmp_path / "case").skipped
    assert (one.file, one.reason) == (heard[0].where, heard[0].reason)
    assert one.file.endswith("dangling.png")
    assert "dangling.png: a link to nothing" in (tmp_path / "case" / "index.html").read_text()
    assert verify_case(tmp_path / "case", finder=MiddleFinder()) == []


def test_the_page_of_a_clip_cut_short_shows_its_faces_and_what_is_missing(tmp_path):
    random = np.random.default_rng(0)
    still = random.integers(0, 256, (160, 160, 3), dtype=np.uint8)
    clip = write_clip(tmp_path / "clip.mp4", [still] * 100, movflags="+faststart")
    cut(clip, 0.5)
    case = tmp_path / "case"
    write_case([clip], case, DetectionConfig(defense="light"), finder=MiddleFinder())
    page = (case / "index.html").read_text()
    assert "Incomplete: the file ends at" in page
    assert "No answer" not in page
    (face,) = CaseDocument.read(case).inputs[0].clip["tracks"]
    assert f"<td>{face['verdict']}" in page
    assert f"Mean of {len(face['frames'])} of {face['frames_found']} frames" in page
    assert verify_case(case, finder=MiddleFinder()) == []


def test_inputs_are_looked_for_in_the_folder_that_is_named(tmp_path, monkeypatch):
    images.save_png(tmp_path / "a.png", np.full((160, 160, 3), 90, np.uint8))
    monkeypatch.chdir(tmp_path)
    config = DetectionConfig(defense="light")
    write_case([Path("a.png")], Path("case"), config, finder=MiddleFinder())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    notes = []
    faults = verify_case(tmp_path / "case", finder=MiddleFinder(), on_note=notes.append)
    assert faults == ["a.png: the file is missing"]
    assert notes == [f"inputs were looked for in {Path.cwd()}; --inputs names another folder"]
    assert verify_case(tmp_path / "case", inputs=tmp_path, finder=MiddleFinder()) == []


def test_a_case_of_an_expert_states_the_scope_of_the_expert(tmp_path):
    images.save_png(tmp_path / "a.png", np.full((160, 160, 3), 90, np.uint8))
    config = DetectionConfig(defense="portraits")
    found = write_case([tmp_path / "a.png"], tmp_path / "case", config, finder=MiddleFinder())
    assert found.limits[0].startswith("Scope: portraits that StyleGAN made")


def test_the_calibration_is_told_with_its_data_and_promise():
    reads = Interpreter.load("default", load_runtime("default").fingerprint)
    words = reads.in_words()
    assert "474 real and 242 fake faces" in words
    assert "at most 5% of real faces are called fake" in words
    assert "enhanced (2518 real and 1280 fake faces of 237 and 121 groups)" in words
    assert "split test of dfdc224, ff128" in words


def test_error_rates_of_a_page_name_what_was_measured():
    known = {"face_size": (80, 160), "jpeg_quality": None, "enhancement": "any"}
    some = Rate(value=0.1, low=0.05, high=0.2, faces=40, groups=20)
    said = rates_in_words(Condition(**known, fpr=None, fnr=some, abstained=some))
    assert said.startswith("There, 10.0% of fake faces were called real (95 % interval 5.0% to")
    assert "and 10.0% of 40 faces were unsure." in said
    everyone = some.model_copy(update={"value": 1.0, "high": 1.0})
    said = rates_in_words(Condition(**known, fpr=some, fnr=some, abstained=everyone))
    assert said.startswith("There, 100.0% of 40 faces were unsure.")


@pytest.fixture
def printed(case, tmp_path):
    pytest.importorskip(
        "weasyprint", reason="the extra pdf is not installed", exc_type=(ImportError, OSError)
    )
    config = DetectionConfig(defense="light")
    write_case([case / "in"], tmp_path / "case", config, finder=MiddleFinder(), pdf=True)
    return tmp_path / "case"


def test_the_page_is_printed_and_its_hash_recorded(printed):
    assert (printed / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert verify_case(printed, finder=MiddleFinder()) == []


def test_a_changed_print_is_named(printed):
    with (printed / "report.pdf").open("ab") as file:
        file.write(b"x")
    (fault,) = verify_case(printed, finder=MiddleFinder())
    assert fault == f"{printed / 'report.pdf'}: the file has changed (SHA-256 differs)"


def test_a_print_that_nobody_recorded_is_named(case, tmp_path):
    shutil.copytree(case / "case", tmp_path / "case")
    (tmp_path / "case" / "report.pdf").write_bytes(b"%PDF-1.7")
    (fault,) = verify_case(tmp_path / "case", finder=MiddleFinder())
    assert fault.endswith("report.pdf: it is not in the record")
