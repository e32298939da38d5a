import csv
import json

import numpy as np
import pytest
import torch

from demagnify import detectors
from demagnify.agents.defended import undefended
from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadManifestError, BadOutputError
from demagnify.data.prepare import open_splits
from demagnify.detectors import Detector, TrainDetectorConfig
from demagnify.detectors.joined import noisy_or
from demagnify.detectors.joining import JoinConfig, join
from demagnify.inference import export
from demagnify.inference.runtime import TorchRuntime

SIZE = 32


def write_set(folder, kind, *, count=24):
    """Writes real faces, and fakes whose stripes run down ("down") or across ("across")."""
    rng = np.random.default_rng(len(kind))
    stripes = np.where(np.arange(SIZE) % 4 < 2, 40, -40)
    rows = []
    for split in ("train", "val", "test"):
        for number in range(count):
            for label in ("real", "fake"):
                pixels = rng.integers(60, 196, (SIZE, SIZE, 3))
                if label == "fake":
                    pixels += stripes[None, :, None] if kind == "down" else stripes[:, None, None]
                name = f"{split}/{label}/{kind}-{number:02d}.png"
                images.save_png(folder / name, pixels.astype(np.uint8))
                rows.append((name, label, split, f"{split}-{number}"))
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file_name", "label", "split", "group"), *rows])
    return folder


@pytest.fixture(scope="module")
def experts(tmp_path_factory):
    """Two sets with different fakes, and a detector that knows the fakes of each."""
    folder = tmp_path_factory.mktemp("experts")
    config = TrainDetectorConfig(
        epochs=5,
        batch_size=16,
        learning_rate=3e-3,
        precision="float32",
        augmentation=0.0,
        size=SIZE,
    )
    sets = [write_set(folder / kind, kind) for kind in ("down", "across")]
    for one in sets:
        fresh = detectors.create("test_efficientnet", input_size=SIZE, device="cpu")
        detectors.train_detector([one], folder / f"{one.name}-expert", config, detector=fresh)
    return sets, [str(folder / f"{one.name}-expert") for one in sets]


def joined_with(experts, output, **changes):
    sets, names = experts
    return join(sets, output, JoinConfig(detectors=tuple(names), device="cpu", **changes))


def test_a_noisy_or_is_the_chance_of_at_least_one():
    chances = torch.tensor([[0.3, 0.9], [0.5, 0.01]], dtype=torch.float64)
    wanted = 1 - (1 - chances).prod(dim=1)
    torch.testing.assert_close(noisy_or(chances.logit()).sigmoid(), wanted)
    far = noisy_or(torch.tensor([[-300.0, -400.0], [300.0, 300.0]]))
    torch.testing.assert_close(far, torch.tensor([-300.0, 600.0]))


def test_a_single_member_gives_its_own_logit():
    logits = torch.randn(5, 1)
    assert torch.equal(noisy_or(logits), logits[:, 0])


def test_the_joined_detector_finds_what_either_expert_finds(experts, tmp_path):
    lines = []
    sets, names = experts
    joined = join(
        sets, tmp_path / "both", JoinConfig(detectors=tuple(names), device="cpu"), log=lines.append
    )
    aucs = joined.card["validation_auc"]
    assert aucs["down, none"]["detector 2"] < 0.9 < aucs["down, none"]["joined"]
    assert aucs["across, none"]["detector 1"] < 0.9 < aucs["across, none"]["joined"]
    assert [line.split(":")[0] for line in lines] == ["down, none", "across, none"]


def test_it_is_saved_and_loaded_as_any_detector(experts, tmp_path):
    joined = joined_with(experts, tmp_path / "both")
    again = detectors.load_detector(tmp_path / "both", device="cpu", precision="float32")
    pixels = torch.randint(0, 256, (4, 3, 40, 36), dtype=torch.uint8)
    assert torch.equal(again.logits(pixels), joined.logits(pixels))
    assert (again.name, again.threshold) == ("both", joined.threshold)
    assert again.fingerprint() == joined.fingerprint()
    card = json.loads((tmp_path / "both" / "card.json").read_text())
    assert card["detector"]["backbone"] == "test_efficientnet+test_efficientnet"
    assert len(card["sources"]) == 2


def test_it_can_keep_the_false_alarms_of_the_first(experts, tmp_path):
    sets, names = experts
    first = detectors.load_detector(names[0], device="cpu", precision="float32")

    def rate(detector):
        found = []
        for one in sets:
            (faces,) = open_splits([one], ["val"], size=SIZE).values()
            real = faces.subset(np.flatnonzero(faces.labels == 0))
            found.append((detector.logits(real).numpy() > detector.threshold).mean())
        return np.mean(found)

    kept = joined_with(experts, tmp_path / "kept", keep_false_alarms=True)
    assert rate(kept) <= rate(first)
    assert joined_with(experts, tmp_path / "free").threshold <= kept.threshold
    assert kept.card["joining"]["keep_false_alarms"]


def test_it_can_keep_the_verdicts_at_the_members_own_thresholds(experts, tmp_path):
    sets, names = experts
    joined = joined_with(experts, tmp_path / "both", keep_thresholds=True)
    members = [detectors.load_detector(one, device="cpu", precision="float32") for one in names]
    for one in sets:
        (faces,) = open_splits([one], ["val"], size=SIZE).values()
        margins = np.stack([each.logits(faces).numpy() - each.threshold for each in members])
        clear = np.abs(margins).min(axis=0) > 0.2
        fake = joined.logits(faces).numpy() > joined.threshold
        np.testing.assert_array_equal(fake[clear], (margins > 0).any(axis=0)[clear])
    assert clear.any()


def test_its_members_stay_as_they_are(experts, tmp_path):
    joined = joined_with(experts, tmp_path / "both")
    pixels = torch.randint(0, 256, (4, 3, SIZE, SIZE), dtype=torch.uint8)
    own = [
        detectors.load_detector(one, device="cpu", precision="float32").logits(pixels)
        for one in experts[1]
    ]
    scale, offset = (torch.tensor(joined.card[key]) for key in ("scale", "offset"))
    wanted = noisy_or(torch.stack(own, dim=1).double() * scale + offset)
    torch.testing.assert_close(joined.logits(pixels).double(), wanted, atol=1e-4, rtol=1e-4)


def test_it_goes_into_an_onnx_file(experts, tmp_path):
    joined = joined_with(experts, tmp_path / "both")
    opened = export(undefended(joined), tmp_path / "both.onnx")
    crops = np.random.default_rng(0).integers(0, 256, (3, 50, 41, 3), dtype=np.uint8)
    wanted = TorchRuntime(joined).decide(crops).logits
    np.testing.assert_allclose(opened.decide(crops).logits, wanted, atol=1e-4)


def test_an_attack_takes_part_and_counts_as_seen(experts, tmp_path):
    joined = joined_with(experts, tmp_path / "both", attacks=("bicubic-x2",))
    assert joined.card["seen_attacks"] == ["bicubic-x2"]
    assert "down, bicubic-x2" in joined.card["validation_auc"]


def test_what_cannot_be_joined_is_refused_in_a_line(experts, tmp_path):
    sets, names = experts
    with pytest.raises(BadConfigError, match="at least two"):
        join(sets, tmp_path / "out", JoinConfig(detectors=(names[0],), device="cpu"))
    with pytest.raises(BadConfigError, match="different sizes or scales"):
        join(sets, tmp_path / "out", JoinConfig(detectors=(names[0], "light"), device="cpu"))
    joined_with(experts, tmp_path / "both")
    again = JoinConfig(detectors=(names[0], str(tmp_path / "both")), device="cpu")
    with pytest.raises(BadConfigError, match="not a single timm network"):
        join(sets, tmp_path / "out", again)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(BadOutputError, match="choose a new folder"):
        joined_with(experts, tmp_path / "mine")


def test_a_split_without_fakes_is_refused_in_a_line(experts, tmp_path):
    names = experts[1]
    rows = [("file_name", "label", "split", "group")]
    for number in range(4):
        pixels = np.full((SIZE, SIZE, 3), 40 * number, dtype=np.uint8)
        images.save_png(tmp_path / "reals" / f"{number}.png", pixels)
        rows.append((f"{number}.png", "real", "val", str(number)))
    with (tmp_path / "reals" / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(BadManifestError, match="lacks a class"):
        join(
            [tmp_path / "reals"],
            tmp_path / "out",
            JoinConfig(detectors=tuple(names), device="cpu"),
        )


def test_it_can_be_trained_further(experts, tmp_path):
    sets, _ = experts
    joined = joined_with(experts, tmp_path / "both")
    before = {key: value.clone() for key, value in joined.network.state_dict().items()}
    config = TrainDetectorConfig(epochs=1, batch_size=16, augmentation=0.0, size=SIZE)
    trained = detectors.train_detector(sets, tmp_path / "further", config, detector=joined)
    assert isinstance(trained.detector, Detector)
    assert not torch.equal(before["scale"], trained.detector.network.scale)


def test_what_is_joined_already_is_left_and_another_detector_is_refused(experts, tmp_path):
    out = tmp_path / "out"
    first = joined_with(experts, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert joined_with(experts, out).fingerprint() == first.fingerprint()
    with pytest.raises(BadOutputError, match="holds another detector"):
        joined_with(experts, out, keep_thresholds=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
