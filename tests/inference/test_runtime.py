"""One verdict everywhere: torch and ONNX Runtime, any threads, any batch, and no changed file."""

import numpy as np
import pytest
import torch

from demagnify import detectors
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.policies import GreedyQPolicy, MeanOfViews
from demagnify.agents.states import Thumbnail
from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError, BadConfigError, BadOutputError, DemagnifyWarning
from demagnify.core.images import fit
from demagnify.detectors import wrap
from demagnify.inference.answers import Interpreter
from demagnify.inference.detect import DetectionConfig
from demagnify.inference.export import export
from demagnify.inference.pipeline import Pipeline
from demagnify.inference.runtime import (
    OnnxRuntime,
    TorchRuntime,
    find_onnx,
    load_runtime,
    shelf_folder,
)
from demagnify.transforms import TransformSet

SIDE = 32


def crops(count, height, width, seed=0):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)
    smooth = np.stack([fit(one, max(height, width)) for one in coarse])[:, :height, :width]
    noise = random.integers(-9, 10, smooth.shape)
    return np.clip(smooth.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def defended(actions, policy, state=None):
    detector = detectors.create("test_efficientnet", input_size=SIDE, device="cpu")
    detector.precision = "float32"
    return DefendedDetector(
        detector, TransformSet.create(actions), state, policy, input_size=SIDE
    ).eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A defence of two views, and its file."""
    defense = defended(["identity", "flip"], MeanOfViews(2))
    path = tmp_path_factory.mktemp("exported") / "two-views.onnx"
    export(defense, path)
    return defense, path


@pytest.mark.parametrize("name", ["default", *detectors.shipped()])
def test_shipped_weights_give_the_same_logits_in_both_runtimes(name):
    fast, slow = load_runtime(name, threads=1), load_runtime(name, runtime="torch", device="cpu")
    assert isinstance(fast, OnnxRuntime)
    assert isinstance(slow, TorchRuntime)
    for one in ("input_size", "threshold", "actions", "fingerprint", "name"):
        assert getattr(fast, one) == getattr(slow, one)
    faces = crops(3, 224, 224)
    expected = slow.decide(faces).logits
    np.testing.assert_allclose(fast.decide(faces).logits, expected, rtol=0, atol=1e-4)
    odd = crops(1, 131, 97)
    np.testing.assert_allclose(fast.decide(odd).logits, slow.decide(odd).logits, rtol=0, atol=1e-4)


def test_threads_and_batches_change_nothing():
    faces = crops(8, 224, 224)
    expected = load_runtime("light", threads=1).decide(faces).logits
    two = load_runtime("light", threads=2)
    np.testing.assert_allclose(two.decide(faces).logits, expected, rtol=0, atol=1e-3)
    alone = [two.decide(faces[row : row + 1]).logits[0] for row in range(3)]
    np.testing.assert_allclose(alone, expected[:3], rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["default", *detectors.shipped()])
def test_shipped_graphs_are_small_and_belong_to_their_weights(name):
    path, folder = find_onnx(name)
    assert path.stat().st_size < 6 * 2**20
    card = artifacts.load_card(folder)
    assert OnnxRuntime(path, weights=folder).notes.weights == {
        artifacts.WEIGHTS: card["weights_sha256"]
    }


@pytest.mark.parametrize("sides", [(SIDE, SIDE), (41, 67), (301, 260), (9, 8)])
def test_an_exported_file_resizes_corrects_and_classifies_as_torch(exported, sides):
    defense, path = exported
    faces = crops(4, *sides)
    slow, fast = TorchRuntime(defense).decide(faces), OnnxRuntime(path).decide(faces)
    np.testing.assert_allclose(fast.logits, slow.logits, rtol=0, atol=1e-4)
    assert (fast.actions == slow.actions).all()
    assert OnnxRuntime(path).fingerprint == defense.fingerprint()


def test_a_changed_file_is_refused(exported, tmp_path):
    content = bytearray(exported[1].read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "changed.onnx"
    path.write_bytes(content)
    with pytest.raises(BadArtifactError, match="was changed"):
        load_runtime(path)


def test_a_graph_beside_other_weights_is_refused(tmp_path):
    (tmp_path / artifacts.WEIGHTS).write_bytes(
        (shelf_folder("detectors") / "light" / artifacts.WEIGHTS).read_bytes()
    )
    with pytest.raises(BadArtifactError, match=r"weights\.safetensors is not the file"):
        OnnxRuntime(find_onnx("hardened")[0], weights=tmp_path)


def test_a_learned_policy_is_exported_with_its_state(tmp_path):
    torch.manual_seed(1)
    policy = GreedyQPolicy(state_size=48, actions=3)
    for parameter in policy.parameters():
        parameter.data.normal_()
    defense = defended(["identity", "flip", "mask-center"], policy, Thumbnail(side=4))
    told = []
    fast = export(defense, tmp_path / "learned.onnx", takes="float", log=told.append)
    assert [line.split()[0] for line in told] == ["reading", "converting", "comparing"]
    colours = 255 * np.random.default_rng(0).integers(0, 2, (24, 1, 1, 3), dtype=np.uint8)
    faces = (colours // 4 * 3 + crops(24, SIDE, SIDE) // 4).astype(np.uint8)
    expected, found = TorchRuntime(defense).decide(faces), fast.decide(faces)
    assert len(set(expected.actions.tolist())) > 1
    assert found.actions.tolist() == expected.actions.tolist()
    np.testing.assert_allclose(found.logits, expected.logits, rtol=0, atol=1e-4)


def test_what_cannot_be_exported_is_named(tmp_path):
    defense = defended(["identity", "jpeg-50"], MeanOfViews(2))
    with pytest.raises(BadConfigError, match="the correction 'jpeg-50' cannot be exported"):
        export(defense, tmp_path / "a.onnx")
    function = wrap(lambda images: images.float().mean((1, 2, 3)), name="mean")
    with pytest.raises(BadConfigError, match="is a function or file"):
        export(
            DefendedDetector(
                function, TransformSet.create(["identity"]), None, MeanOfViews(1), input_size=SIDE
            ),
            tmp_path / "b.onnx",
        )


def test_an_exported_file_keeps_the_calibration(tmp_path):
    path = tmp_path / "model.onnx"
    made = export("default", path)
    shipped = Interpreter.load("default", made.fingerprint)
    assert made.notes.calibration
    assert Interpreter.inside(OnnxRuntime(path, device="cpu").notes) == shipped
    config = DetectionConfig(defense=str(path))
    assert Pipeline.load(config, finder=object()).interpreter == shipped


def test_an_export_that_is_there_is_left_and_another_one_is_refused(exported, tmp_path):
    defense, path = exported
    before, told = path.read_bytes(), []
    again = export(defense, path, log=told.append)
    assert path.read_bytes() == before
    assert told[1:] == [f"{path} is unchanged", f"comparing {path} with torch"]
    assert again.notes == OnnxRuntime(path, device="cpu").notes
    other = defended(["identity", "flip"], MeanOfViews(1))
    damaged, strange = tmp_path / "damaged.onnx", tmp_path / "strange.onnx"
    damaged.write_bytes(before[:-1])
    strange.write_bytes(b"mine")
    for source, place, takes in (
        *((other, path, "uint8"), (defense, path, "float")),
        *((defense, damaged, "uint8"), (defense, strange, "uint8")),
    ):
        content = place.read_bytes()
        with pytest.raises(BadOutputError, match="exists, with another content"):
            export(source, place, takes=takes)
        assert place.read_bytes() == content


def test_bfloat16_says_that_verdicts_are_not_calibrated():
    with pytest.warns(DemagnifyWarning, match="not calibrated"):
        Pipeline.load(DetectionConfig(precision="bfloat16", device="cpu"), finder=object())
