"""Every kind of file that demagnify keeps and reads again: a flipped byte is noticed, or harmless.

What is read must equal what was written; else it is refused in one line, or made again. Kinds that
campaigns damage in other ways too (arrays, journals, training states) are in fuzz_kinds.
"""

import json
import os
import random
import shutil
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from demagnify.core import artifacts, runs, sealed
from demagnify.core.engine import shards
from demagnify.core.engine.inputs import InputList, Item
from demagnify.core.engine.plan import Costs
from demagnify.core.engine.work import Result
from demagnify.core.errors import BadArtifactError, DemagnifyError, DemagnifyWarning
from demagnify.evaluation.exchange.runs import load_run
from demagnify.evaluation.records import Record, load_record
from demagnify.evaluation.run_folder import Example, Pictures, load_examples, save_examples
from demagnify.inference import enhancement
from demagnify.inference.calibration import Calibration, folder_of
from demagnify.inference.conditions import ConditionTable
from demagnify.inference.exported import read_verified

FLIPS = int(os.environ.get("DEMAGNIFY_FUZZ_CASES", "12")) * 5
DEFAULT = Path(str(folder_of("default")))
ROW = Path(__file__).parents[2] / "docs/results/rows/sr-fast-v1/light"


class Toy(Record):
    """A record such as the results of `evaluate` or of an adaptive attack."""

    kind: Literal["toy"] = "toy"
    schema_version: Literal[1] = 1
    values: dict[str, float | None]
    note: str = ""


def card(folder):
    artifacts.save(folder, "detector", {"a": torch.arange(6.0)}, {"note": "größer", "cut": 0.25})
    return lambda: artifacts.load(folder, "detector").card


def weights(folder):
    artifacts.save(folder, "detector", {"a": torch.arange(60.0)}, {})
    return lambda: artifacts.load(folder, "detector").tensors["a"].tolist()


def enhancement_card(folder):
    shutil.copy(enhancement.WEIGHTS / "card.json", folder)
    return lambda: enhancement._read_card(folder)


def enhancement_network(folder):
    shutil.copytree(enhancement.WEIGHTS, folder, dirs_exist_ok=True)
    return lambda: enhancement.EnhancementRecognizer.load(folder).card


def calibration(folder):
    shutil.copy(DEFAULT / "calibration.json", folder)
    return lambda: Calibration.read(folder / "calibration.json")


def conditions(folder):
    shutil.copy(DEFAULT / "conditions.json", folder)
    named = json.loads((folder / "conditions.json").read_text())
    of = named["fingerprint"], named["calibration_sha256"]
    return lambda: ConditionTable.beside(folder, *of)


def record(folder):
    made = Toy(values={"auc": 0.75, "fpr": None, "tpr": 1e-3}, note="x")
    sealed.write_sealed(folder / "toy.json", made.model_dump_json())
    return lambda: load_record(folder / "toy.json", Toy, "a toy")


def row(folder):
    shutil.copytree(ROW, folder, dirs_exist_ok=True)

    def read():
        found = load_run(folder)
        return replace(found, columns=()), [one.logits.tolist() for one in found.columns]

    return read


def examples(folder):
    about = {"split": "test", "condition": "none", "method": "m", "name": "a.png", "label": 1}
    about |= {"outcome": "right", "population": 3, "action": "identity"}
    about |= {"score_before": 0.5, "threshold_before": 0, "score_after": 1, "threshold_after": 0}
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    save_examples(folder, [(Example(**about), Pictures(pixels, pixels, pixels))])

    def read():
        return [
            (one, [part.tolist() for part in asdict(pictures).values()])
            for one, pictures in load_examples(folder)
        ]

    return read


def costs(folder):
    cost = {"seconds": 0.125, "low": 0.1, "high": 0.2, "inputs": 9, "start_seconds": 2}
    verbs = {"detect": {"cpu": {**cost, "memory_mib": 512}}}
    content = {"machine": "m", "date": "d", "command": "c", "verbs": verbs}
    sealed.write_sealed(folder / "costs.json", content)
    return lambda: Costs.load(folder / "costs.json")


def shard(folder):
    items = [Item(number, f"{number}.png") for number in range(3)]
    results = [Result([{"logit": 0.5 * number}]) for number in range(2)] + [Result(problem="no")]
    shards.write(folder, 0, items, results, {"logit": "double"}, 0.5)

    def read():
        if shards.receipt_of(folder, 0, range(3)) is None:
            raise BadArtifactError("the unit is done again")
        return list(shards.rows(folder, 1, ["input", "logit", "problem"]))

    return read


def inputs(folder):
    uris = [f"file:///{number}.png" for number in range(9)]
    InputList.keep(folder, uris, 2)

    def read():
        listed = InputList.keep(folder, uris, 2)
        return [one.uri for unit in range(listed.units) for one in listed.read(unit)]

    return read


def identity(folder):
    def read():
        with runs.claim(folder, {"seed": 1, "attack": "srgan-x4"}, what="an attack"):
            return "claimed"

    read()
    return read


def exported(folder):
    shutil.copy(DEFAULT / "model.onnx", folder)
    path = folder / "model.onnx"
    return lambda: read_verified(path)


KINDS = (
    *(card, weights, enhancement_card, enhancement_network, calibration, conditions, record, row),
    *(examples, costs, shard, inputs, identity, exported),
)


def outcome(read):
    """What was read, or what was said against it."""
    try:
        return read(), ""
    except DemagnifyError as error:
        return None, str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_byte_in_a_kept_file_is_noticed(kind, tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    read = kind(folder)
    good = read()
    rng = random.Random(kind.__name__)
    files = sorted(one for one in folder.rglob("*") if one.is_file() and one.stat().st_size)
    whole = {path: path.read_bytes() for path in files}
    for number in range(FLIPS):
        path = files[number % len(files)]
        data = bytearray(whole[path])
        spot = rng.randrange(len(data))
        data[spot] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found, refusal = outcome(read)
        noted = any(issubclass(one.category, DemagnifyWarning) for one in said)
        assert refusal or noted or found == good, f"{path.name}, byte {spot}"
        assert "\n" not in refusal
        path.write_bytes(whole[path])


def test_what_was_changed_by_hand_says_so_and_what_to_do(tmp_path):
    artifacts.save(tmp_path / "kept", "detector", {"a": torch.zeros(2)}, {"cut": 1})
    path = tmp_path / "kept" / artifacts.CARD
    path.write_text(path.read_text().replace('"cut": 1', '"cut": 2'))
    with pytest.raises(BadArtifactError, match=r"card.json.*changed by hand or damaged.*sealed"):
        artifacts.load(tmp_path / "kept", "detector")
    sealed.main([str(path)])
    assert artifacts.load(tmp_path / "kept", "detector").card["cut"] == 2


def test_the_layout_of_a_document_may_change(tmp_path):
    sealed.write_sealed(tmp_path / "a.json", {"b": [1, 2.5], "a": {"1": None}, "sha256": "other"})
    content = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(dict(reversed(content.items())), indent=7))
    assert sealed.read_sealed(tmp_path / "a.json") == {"b": [1, 2.5], "a": {"1": None}}


def test_a_document_without_its_checksum_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="it has no SHA-256"):
        sealed.read_sealed(tmp_path / "a.json")


def test_a_card_of_an_older_version_is_read_with_a_note(tmp_path):
    artifacts.save(tmp_path / "kept", "detector", {"a": torch.zeros(2)}, {})
    path = tmp_path / "kept" / artifacts.CARD
    card = json.loads(path.read_text()) | {"schema_version": 1}
    path.write_text(json.dumps(card))
    with pytest.raises(BadArtifactError, match="schema version 1"):
        artifacts.load(tmp_path / "kept", "detector")
    del card["sha256"]
    path.write_text(json.dumps(card))
    with pytest.warns(DemagnifyWarning, match="older demagnify"):
        artifacts.load(tmp_path / "kept", "detector")


@pytest.mark.parametrize("arguments", [[], ["none.json"]])
def test_a_checksum_of_nothing_is_refused_in_one_line(arguments, tmp_path):
    with pytest.raises(SystemExit) as ended:
        sealed.main([str(tmp_path / one) for one in arguments])
    assert "\n" not in str(ended.value)
