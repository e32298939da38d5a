"""A logit table runs the detector once per pair, and notices files that are not its own."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from toy_world import ToyNetwork, toy_faces

from demagnify.agents.rewards import RewardConfig, verdict_rewards
from demagnify.core.errors import BadArtifactError, BadConfigError, DemagnifyWarning
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import wrap
from demagnify.scores import Column, LiveLogits, LogitTable
from demagnify.transforms import TransformSet
from demagnify.transforms.mask import MaskCenter


class Recorder(ToyNetwork):
    """Remembers how many images each call brought."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, images):
        self.calls.append(len(images))
        return super().forward(images)


@pytest.fixture(name="counted")
def _counted(faces, actions):
    network = Recorder()
    return LogitTable(faces, wrap(network, name="toy"), actions), network.calls


def test_lookup_never_classifies_twice(counted):
    table, calls = counted
    first = table.lookup([3, 3, 5, 3], [0, 0, 1, 1])
    assert calls == [3]
    assert first[0] == first[1]
    np.testing.assert_array_equal(table.lookup([3, 3, 5, 3], [0, 0, 1, 1]), first)
    assert calls == [3]
    table.lookup([3, 6], [0, 0])
    assert calls == [3, 1]
    assert table.calls == 4


def test_a_large_request_is_classified_in_batches(faces, actions):
    network = Recorder()
    table = LogitTable(faces, wrap(network, name="toy"), actions, batch_size=40)
    table.lookup(np.arange(96), np.zeros(96, dtype=np.int64))
    assert network.calls == [40, 40, 16]


def test_fill_computes_missing_logits_only(counted):
    table, calls = counted
    table.lookup(np.arange(10), np.ones(10, dtype=np.int64))
    table.fill()
    assert table.filled
    assert sum(calls) == table.calls == 2 * 96
    table.fill()
    assert sum(calls) == 2 * 96


def test_filled_looked_up_and_live_logits_are_the_same(faces, detector, actions):
    filled, lazy = (LogitTable(faces, detector, actions) for _ in range(2))
    live = LiveLogits(faces, detector, actions)
    filled.fill()
    indices, numbers = np.divmod(np.random.default_rng(0).permutation(2 * 96), 2)
    np.testing.assert_array_equal(lazy.lookup(indices, numbers), live.lookup(indices, numbers))
    np.testing.assert_array_equal(lazy.logits, filled.logits)


def test_rewards_are_one_for_right_and_minus_one_for_wrong(table, attacked):
    table.fill()
    best = np.where(attacked == 1, 1, 0)
    expected = np.where(np.arange(2)[None, :] == best[:, None], 1.0, -1.0)
    np.testing.assert_array_equal(RewardConfig().of_table(table), expected)


def test_a_logit_on_the_threshold_means_real():
    np.testing.assert_array_equal(verdict_rewards([0.5, 0.5, 0.6], [0, 1, 1], 0.5), [1, -1, 1])


def test_rewards_follow_the_detectors_threshold(faces, actions):
    strict = wrap(ToyNetwork(), name="toy", threshold=1e6)
    table = LogitTable(faces, strict, actions)
    table.fill()
    np.testing.assert_array_equal(
        RewardConfig().of_table(table)[:, 0], np.where(faces.labels == 0, 1, -1)
    )


def test_rewards_of_a_table_that_is_not_filled_are_refused(table):
    with pytest.raises(ValueError, match=r"call fill\(\) first"):
        RewardConfig().of_table(table)


def test_a_saved_table_spares_the_detector(counted, faces, actions, tmp_path):
    table, _ = counted
    path = tmp_path / "table.safetensors"
    table.fill(path)
    network = Recorder()
    again = LogitTable(faces, wrap(network, name="toy"), actions)
    again.fill(path)
    assert network.calls == []
    np.testing.assert_array_equal(again.logits, table.logits)


def test_a_killed_filling_goes_on(counted, tmp_path):
    table, calls = counted
    path = tmp_path / "table.safetensors"
    table.lookup(np.arange(30), np.zeros(30, dtype=np.int64))
    table.save(path)
    table.logits[:] = np.nan
    calls.clear()
    table.fill(path)
    assert sum(calls) == 2 * 96 - 30


def other_pixels(faces, detector, actions):
    return toy_faces(seed=1)[0], detector, actions


def other_weights(faces, detector, actions):
    network = ToyNetwork()
    network.register_buffer("bias", torch.ones(1))
    return faces, wrap(network, name="toy"), actions


@pytest.mark.parametrize("change", [other_pixels, other_weights])
def test_a_table_of_something_else_is_refused(change, table, faces, detector, actions, tmp_path):
    path = tmp_path / "table.safetensors"
    table.fill(path)
    other = LogitTable(*change(faces, detector, actions))
    with pytest.raises(BadArtifactError, match="other faces or another detector"):
        other.fill(path)


def test_another_threshold_reads_the_same_logits(table, faces, actions, tmp_path):
    path = tmp_path / "table.safetensors"
    table.fill(path)
    strict = LogitTable(faces, wrap(ToyNetwork(), name="toy", threshold=1e6), actions)
    strict.fill(path)
    assert strict.calls == 0
    assert not np.array_equal(RewardConfig().of_table(strict), RewardConfig().of_table(table))


@pytest.mark.parametrize("damage", ["cut off", "flipped bit"])
def test_a_damaged_table_is_noticed_and_computed_again(damage, table, faces, actions, tmp_path):
    path = tmp_path / "table.safetensors"
    table.fill(path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content[:100] if damage == "cut off" else content)
    again = LogitTable(faces, wrap(ToyNetwork(), name="toy"), actions)
    with pytest.warns(DemagnifyWarning, match="is damaged; it is computed again"):
        again.fill(path)
    assert again.calls == len(faces) * (2 if damage == "cut off" else 1)
    np.testing.assert_array_equal(again.logits, table.logits)


@pytest.mark.parametrize("logit", [torch.nan, torch.inf])
def test_a_logit_that_is_no_number_is_refused(logit, faces, actions):
    broken = wrap(lambda images: torch.full((len(images),), logit), name="broken")
    with pytest.raises(BadConfigError, match="'broken' gave"):
        LogitTable(faces, broken, actions).lookup([0], [0])


def test_faces_that_are_all_of_one_class_have_rewards_too(detector, actions):
    images = toy_faces()[0].images[:4]
    table = LogitTable(FaceDataset.from_arrays(images, [1, 1, 1, 1]), detector, actions)
    table.fill()
    assert RewardConfig().of_table(table).shape == (4, 2)


def test_progress_counts_images_that_the_detector_classifies(faces, monkeypatch):
    """Logits of transforms that change nothing follow from others; they cost no time."""
    shown = []

    @contextmanager
    def bar(title, total):
        shown.append([title, total, 0])

        def advance(count):
            shown[-1][2] += count

        yield advance

    monkeypatch.setattr("demagnify.scores.progress.bar", bar)
    network = Recorder()
    actions = TransformSet.create(
        ["identity", "identity+identity", "flip", "identity+identity+identity"]
    )
    table = LogitTable(faces, wrap(network, name="toy"), actions)
    table.lookup([0, 1], [0, 0])
    network.calls.clear()
    table.fill()
    left = 2 * len(faces) - 2
    assert shown == [["running the detector", left, left]]
    assert sum(network.calls) == left


def test_tables_with_other_transforms_share_a_file(table, faces, detector, actions, tmp_path):
    path = tmp_path / "table.safetensors"
    table.fill(path)
    other = LogitTable(faces, detector, TransformSet([actions[0], MaskCenter(share=0.5)]))
    other.fill(path)
    assert other.calls == len(faces)
    np.testing.assert_array_equal(other.logits[:, 0], table.logits[:, 0])
    again = LogitTable(faces, detector, actions)
    again.fill(path)
    assert again.calls == 0
    np.testing.assert_array_equal(again.logits, table.logits)


def test_transformed_faces_are_columns_too(faces, detector, actions, table, tmp_path):
    table.fill()
    masked = FaceDataset.from_arrays(actions[1](torch.from_numpy(faces.images)), faces.labels)
    columns = [Column("none", "none", faces), Column("mask", "mask v1", masked)]
    ready = LogitTable(faces, detector, columns)
    path = tmp_path / "table.safetensors"
    found = ready.lookup([3, 1, 3], [1, 0, 1])
    np.testing.assert_array_equal(found, table.lookup([3, 1, 3], [1, 0, 1]))
    assert ready.calls == 2
    ready.save(path)
    more = LogitTable(faces, detector, [*columns, Column("flip", "flip v1", masked)])
    more.load(path)
    more.lookup([3, 3], [1, 2])
    assert more.calls == 1
    more.fill(path)
    np.testing.assert_allclose(more.logits[:, :2], table.logits, rtol=1e-6)
    with pytest.raises(ValueError, match="transformed faces"):
        more.transforms  # noqa: B018


def test_columns_can_be_selected(table):
    table.fill()
    part = table.select(["identity"])
    assert part.filled
    assert part.names == ("identity",)
    np.testing.assert_array_equal(part.logits[:, 0], table.logits[:, 0])


def test_tables_are_merged_with_their_logits(faces, detector, actions, table):
    other = LogitTable(toy_faces(seed=1)[0], detector, actions)
    table.fill()
    other.fill()
    both = LogitTable.merge([table, other])
    assert both.filled
    np.testing.assert_array_equal(both.labels, np.r_[table.labels, other.labels])
    np.testing.assert_array_equal(both.logits, np.r_[table.logits, other.logits])
    with pytest.raises(ValueError, match="different transforms"):
        LogitTable.merge([table, other.select(["identity"])])
