import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from demagnify.core import artifacts

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


def start(output: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(output)], stderr=subprocess.DEVNULL
    )


def state_of(output: Path) -> float:
    path = output.with_name(output.name + ".training") / "state.safetensors"
    return path.stat().st_mtime if path.exists() else 0.0


def kill_at_a_random_moment(output: Path, rng: random.Random) -> None:
    """Kills a training, once it has got further than the last one, without warning."""
    before = state_of(output)
    process = start(output)
    while state_of(output) == before and process.poll() is None:
        time.sleep(0.005)
    time.sleep(rng.uniform(0.0, 0.3))
    assert process.poll() is None, "the training ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def weights_of(output: Path) -> str:
    return json.loads((output / artifacts.CARD).read_text())["weights_sha256"]


def test_killed_and_started_again_it_ends_in_the_same_bits(tmp_path):
    rng = random.Random(11)
    alone = start(tmp_path / "alone")
    assert alone.wait() == 0
    for _ in range(2):
        kill_at_a_random_moment(tmp_path / "killed", rng)
        assert not (tmp_path / "killed").exists()
    assert start(tmp_path / "killed").wait() == 0
    assert weights_of(tmp_path / "killed") == weights_of(tmp_path / "alone")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "killed"]
