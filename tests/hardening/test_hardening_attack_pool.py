"""The attack pool: how often each degradation is drawn, and its effect on a face."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from demagnify.core.rng import generator
from demagnify.hardening.attack_pool import AttackPool
from demagnify.hardening.delivery import Delivery, magnified, resize
from demagnify.transforms import Transform, create
from demagnify.transforms.degradations import Degradation


def rng(seed=0):
    return np.random.default_rng(seed)


class Undrawn(np.random.Generator):
    """Draws nothing of chance: a face at its own size, not blended, not stored as JPEG."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, *_args: object) -> float:
        return 1.0


@dataclass(frozen=True)
class Inverting(Degradation):
    """Notes the sizes that it is given."""

    family = "inverting"
    sizes: list = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.family

    def degrade(self, pixels, rng):
        self.sizes.append(pixels.shape[:2])
        return 255 - pixels


@dataclass(frozen=True)
class Noting(Transform):
    """A transform of 8-bit images; notes the batches that it is given."""

    family = "noting"
    batches: list = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.family

    def apply(self, images, rngs=()):
        self.batches.append(tuple(images.shape))
        return 255 - images


@pytest.fixture
def face():
    return rng(3).uniform(0, 255, (150, 140, 3)).astype(np.float32)


@pytest.fixture
def images():
    return torch.from_numpy(rng(4).integers(0, 256, (6, 3, 150, 140), dtype=np.uint8))


def test_families_are_drawn_uniformly_and_degradations_within_them():
    filters = tuple(map(create, ("blurred", "crisp", "noisy")))
    pool = AttackPool((filters, (create("painted"),)))
    assert pool.names == ("blurred", "crisp", "noisy", "painted")
    counts = np.bincount(pool.draw(rng(), 6000), minlength=5) / 6000
    assert counts == pytest.approx([0, 1 / 6, 1 / 6, 1 / 6, 1 / 2], abs=0.03)


def test_each_image_gets_its_transform_in_any_batch(images):
    pool = AttackPool((tuple(map(create, ("painted", "noisy"))), (Delivery(create("bicubic-x2")),)))
    numbers, indices = np.array([0, 1, 2, 3, 2, 1]), np.arange(6)
    degraded = pool.degrade(images, numbers, indices, seed=4, epoch=2)
    assert torch.equal(degraded[0], images[0])
    for row in range(1, 6):
        one = slice(row, row + 1)
        alone = pool.degrade(images[one], numbers[one], indices[one], seed=4, epoch=2)
        assert torch.equal(alone[0], degraded[row])
        assert not torch.equal(alone[0], images[row])
        draws = [generator(4, "degradation", 2, row, int(numbers[row]))]
        expected = pool.transforms[int(numbers[row])](images[one], rngs=draws)
        assert torch.equal(expected[0], degraded[row])


def test_a_delivered_face_keeps_its_shape_and_is_sometimes_smaller_inside(images):
    inner = Inverting()
    batch = images[:1].expand(60, -1, -1, -1)
    delivered = Delivery(inner)(batch, rngs=[rng(seed) for seed in range(60)])
    assert (delivered.shape, delivered.dtype) == (batch.shape, torch.uint8)
    sizes = set(inner.sizes)
    assert (150, 140) in sizes
    assert 0.2 < np.mean([size != (150, 140) for size in inner.sizes]) < 0.6
    assert min(width for _, width in sizes) >= 64
    same = Delivery(inner)(images[:1], rngs=[rng(5)])
    assert torch.equal(same[0], delivered[5])


def test_faces_are_shrunk_before_they_are_enlarged(face):
    fed = []

    def enlarge(small):
        fed.append(small.shape[:2])
        return resize(small, 2 * small.shape[1], 2 * small.shape[0])

    for seed in range(40):
        assert magnified(face, enlarge, 2, rng(seed)).shape == face.shape
    assert (75, 70) in fed
    assert 0.1 < np.mean([size != (75, 70) for size in fed]) < 0.6
    assert min(min(size) for size in fed) >= 8


def test_an_attack_is_delivered_as_it_is(images):
    attack = create("bicubic-x2", device="cpu")
    delivered = Delivery(attack)(images, rngs=[Undrawn() for _ in images])
    assert torch.equal(delivered, attack(images))


def test_faces_of_one_size_are_attacked_together(images):
    inner = Noting()
    batch = images[:1].expand(40, -1, -1, -1)
    draws = range(40)
    together = Delivery(inner)(batch, rngs=[rng(seed) for seed in draws])
    assert sum(shape[0] for shape in inner.batches) == 40
    assert len(inner.batches) < 25
    assert max(shape[0] for shape in inner.batches) > 15
    alone = [Delivery(inner)(images[:1], rngs=[rng(seed)]) for seed in draws]
    assert torch.equal(torch.cat(alone), together)
