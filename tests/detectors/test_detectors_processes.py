"""Training in several processes, and in several parts per step: the same as in one."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from demagnify.core import artifacts
from demagnify.core.errors import BadConfigError
from demagnify.core.process_group import together
from demagnify.detectors import TrainDetectorConfig, train_detector
from demagnify.detectors.batch_statistics import shared_statistics
from demagnify.hardening.config import HardeningConfig
from tiny_faces import write_faces

QUICK = TrainDetectorConfig(
    epochs=2, batch_size=9, learning_rate=1e-3, precision="float32", device="cpu"
)


def gap(first, second):
    """The largest difference of two detectors' weights and statistics."""
    one, other = first.network.state_dict(), second.network.state_dict()
    return max((one[key].float() - other[key].float()).abs().max().item() for key in one)


@pytest.fixture
def train(tiny, striped_faces, tmp_path):
    def run(**changes):
        output = tmp_path / str(sorted(changes.items()))
        config = QUICK.model_copy(update=changes)
        data = striped_faces(20, 18, seed=1), striped_faces(25, 20, seed=2)
        return train_detector(data, output, config, detector=tiny())

    return run


@pytest.mark.parametrize("parts", [3, 9])
def test_with_frozen_statistics_the_parts_of_a_step_add_up_to_it(train, parts):
    whole = train(batch_norm="frozen")
    cut = train(batch_norm="frozen", accumulate=parts)
    assert gap(whole.detector, cut.detector) < 2e-5
    assert cut.history[-1].loss == pytest.approx(whole.history[-1].loss, rel=1e-5)
    assert cut.metrics["val_auc"] == whole.metrics["val_auc"]


def test_frozen_statistics_stay_those_of_the_start(train, tiny):
    before, after = tiny().network.state_dict(), train(batch_norm="frozen").detector.network
    kept = {key: value for key, value in after.state_dict().items() if "running" in key}
    assert kept
    assert all(torch.equal(value, before[key]) for key, value in kept.items())


@pytest.mark.slow
def test_two_processes_train_as_one_does(train, striped_faces):
    faces = striped_faces(20, 20, seed=3)
    alone, both = train(), train(processes=2)
    for one, other in zip(alone.history, both.history, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-3)
        assert other.learning_rate == one.learning_rate
    # Adam moves weights whose gradient is nothing but rounding: those before a BatchNorm.
    assert both.detector.logits(faces).sub(alone.detector.logits(faces)).abs().max() < 0.01
    frozen = train(batch_norm="frozen"), train(batch_norm="frozen", processes=2, accumulate=2)
    assert gap(frozen[0].detector, frozen[1].detector) < 2e-5


class Normalize:
    """BatchNorm of a part of a batch, its gradients, and its running statistics."""

    def __init__(self, kind):
        rng = torch.Generator().manual_seed(0)
        self.images = torch.randn(7, 3, 4, 4, generator=rng) * 5 + 3
        self.wanted = torch.randn(7, 3, 4, 4, generator=rng)
        self.kind = kind

    def __call__(self, group):
        norm = torch.nn.BatchNorm2d(3).to(self.kind)
        torch.nn.init.uniform_(norm.weight, generator=torch.Generator().manual_seed(1))
        rows = np.array_split(np.arange(7), group.size)[group.rank]
        images = self.images[rows].to(self.kind).requires_grad_()
        with shared_statistics(group):
            result = norm(images)
        (result.float() * self.wanted[rows]).sum().backward()
        weights = [norm.weight.grad.float(), norm.bias.grad.float()]
        group.add_up(weights)
        running = norm.running_mean.clone(), norm.running_var.clone()
        return rows, result.float(), images.grad.float(), *weights, *running


@pytest.mark.slow
def test_batch_norm_takes_its_statistics_from_all_processes():
    kinds = {torch.float32: 2e-5, torch.bfloat16: 0.1}
    with together(1) as alone:
        wanted = [Normalize(kind)(alone) for kind in kinds]
    found = []
    with together(2) as group:
        for kind in kinds:
            group.send(Normalize(kind))
            found.append(Normalize(kind)(group))
    for one, other, near in zip(wanted, found, kinds.values(), strict=True):
        check_part(one, other, near)


def check_part(wanted, found, near):
    rows, result, gradient, *others = wanted
    mine, my_result, my_gradient, *mine_too = found
    assert (len(rows), len(mine)) == (7, 4)
    torch.testing.assert_close(my_result, result[mine], atol=near, rtol=near)
    torch.testing.assert_close(my_gradient, gradient[mine], atol=near, rtol=near)
    for one, other in zip(mine_too, others, strict=True):
        torch.testing.assert_close(one.float(), other.float(), atol=10 * near, rtol=near)


def test_without_training_batch_norm_is_the_usual_one():
    from demagnify.core.process_group import ProcessGroup

    images = torch.randn(2, 3, 4, 4)
    with shared_statistics(ProcessGroup(0, 2)):  # no other process is there: none is asked
        found = F.batch_norm(images, torch.ones(3), torch.ones(3))
    assert torch.equal(found, F.batch_norm(images, torch.ones(3), torch.ones(3)))


def test_more_parts_than_faces_are_refused(train):
    with pytest.raises(BadConfigError, match="9 faces, fewer than accumulate=10 x 1 processes"):
        train(accumulate=10)


def test_trainings_from_before_these_settings_keep_their_identity():
    new = {"accumulate", "batch_norm", "processes"}
    assert not new & QUICK.identity().keys()
    assert "accumulate" in QUICK.model_copy(update={"accumulate": 2}).identity()
    assert "processes" not in QUICK.model_copy(update={"processes": 2}).identity()
    hardening = HardeningConfig()
    assert not new & hardening.identity()["training"].keys()
    assert "save_seconds" in hardening.identity()["training"]
    assert not {"strict", "device", "attacks"} & hardening.identity().keys()


def command(*launcher, data, output, extra=()):
    arguments = ["train-detector", output, "--data", data, "--device", "cpu"]
    settings = ["--backbone", "test_efficientnet", "--weights", "none", "--size", "32"]
    steps = ["--epochs", "8", "--batch-size", "8", "--patience", "8", "--save-seconds", "0"]
    # Both launchers give each process one thread: the bits depend on their number.
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "demagnify", *arguments, *settings, *steps, *extra],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_killed_processes_end_in_the_same_bits_as_those_of_torchrun(tmp_path):
    data, killed, launched = (tmp_path / name for name in ("data", "killed", "launched"))
    write_faces(data, counts={"train": 32, "val": 6})
    two = ("--processes", "2", "--threads", "1")
    process = command(data=data, output=killed, extra=two)
    state = killed.with_name("killed.training") / "state.safetensors"
    while not state.exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.1)
    assert process.poll() is None, "the training ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = command(data=data, output=killed, extra=two)
    run = ("-m", "torch.distributed.run", "--nproc-per-node", "2")
    other = command(*run, data=data, output=launched)
    assert (again.wait(), other.wait()) == (0, 0)
    lines = other.stdout.read().splitlines()
    assert sum(line.startswith("validation: AUC") for line in lines) == 1  # rank 0 alone talks
    first, second = (
        json.loads((output / artifacts.CARD).read_text())["weights_sha256"]
        for output in (killed, launched)
    )
    assert first == second
