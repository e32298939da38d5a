import json
import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from demagnify.core import artifacts
from fresh_process import ended, start

TRAINING = """
import sys
from pathlib import Path
import numpy as np
from demagnify import detectors
from demagnify.data.dataset import FaceDataset

def faces(seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(64) % 2
    pixels = rng.integers(0, 256, (64, 3, 32, 32))
    pixels[labels == 1, 0] //= 2
    return FaceDataset.from_arrays(pixels.astype(np.uint8), labels)

detectors.train_detector(
    (faces(0), faces(1)),
    Path(sys.argv[1]),
    detectors.TrainDetectorConfig(
        epochs=12, batch_size=8, patience=12, save_seconds=0.0, device="cpu"
    ),
    detector=detectors.create("test_efficientnet", input_size=32, device="cpu"),
)
"""


def train(output: Path) -> BaseProcess:
    return start(TRAINING, output)


def state_of(output: Path) -> float:
    path = output.with_name(output.name + ".training") / "state.safetensors"
    return path.stat().st_mtime if path.exists() else 0.0


def kill_at_a_random_moment(output: Path, rng: random.Random) -> None:
    """Kills a training, once it has got further than the last one, without warning."""
    before = state_of(output)
    process = train(output)
    while state_of(output) == before and process.is_alive():
        time.sleep(0.005)
    time.sleep(rng.uniform(0.0, 0.3))
    assert process.is_alive(), "the training ended before it could be killed"
    process.kill()
    ended(process)


def weights_of(output: Path) -> str:
    return json.loads((output / artifacts.CARD).read_text())["weights_sha256"]


def test_killed_and_started_again_it_ends_in_the_same_bits(tmp_path):
    rng = random.Random(11)
    assert ended(train(tmp_path / "alone")) == 0
    for _ in range(2):
        kill_at_a_random_moment(tmp_path / "killed", rng)
        assert not (tmp_path / "killed").exists()
    assert ended(train(tmp_path / "killed")) == 0
    assert weights_of(tmp_path / "killed") == weights_of(tmp_path / "alone")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "killed"]
