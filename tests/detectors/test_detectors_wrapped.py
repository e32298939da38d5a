from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from demagnify import detectors
from demagnify.core.errors import BadArtifactError, BadConfigError, DemagnifyWarning
from demagnify.detectors import Preprocessing

BATCH = torch.randint(0, 256, (4, 3, 20, 20), dtype=torch.uint8)


def brightness(images: torch.Tensor) -> torch.Tensor:
    return images.float().mean(dim=(1, 2, 3))


def test_the_callable_gets_the_batch_as_it_is():
    seen = []

    def look(images):
        seen.append(images)
        return brightness(images)

    detectors.wrap(look, name="look")(BATCH)
    assert torch.equal(seen[0], BATCH)


def test_name_and_threshold_are_stored():
    detector = detectors.wrap(brightness, name="brightness", threshold=127.0)
    assert (detector.name, detector.threshold) == ("brightness", 127.0)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda images: torch.zeros(len(images), 2), "head=two-logit and fake_index=1"),
        (lambda images: torch.zeros(()), r"returned shape \(\)"),
        (lambda images: torch.zeros(len(images) + 1), r"not \(4,\)"),
        (lambda images: torch.full((len(images),), torch.nan), "4 of 4 logits"),
        (lambda images: torch.tensor([0.0, torch.inf, 0.0, 0.0]), "1 of 4 logits"),
        (lambda images: ["fake"] * len(images), "returned no numbers: ValueError"),
        (lambda images: np.array([None] * len(images)), "returned no numbers: TypeError"),
        (lambda images: "fake", "returned a str"),
        (lambda images: (brightness(images), images), "several things: Tensor, Tensor"),
        (lambda images: {"a": images, "b": images}, "several things: a, b"),
        (lambda images: brightness(images).to(torch.complex64), "complex64"),
        (lambda images: brightness(images).to_sparse(), "sparse"),
        (lambda images: torch.zeros(len(images), device="meta"), "meta"),
    ],
    ids=[
        *("two-outputs", "scalar", "too-many", "nan", "infinite", "words", "objects", "word"),
        *("tuple", "mapping", "complex", "sparse", "meta"),
    ],
)
def test_a_wrong_output_is_refused_in_one_line(output, message):
    with pytest.raises(BadConfigError, match=message) as caught:
        detectors.wrap(output, name="broken")(BATCH)
    assert "'broken'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shape",
    [
        lambda scores: scores.tolist(),
        list,
        lambda scores: scores.numpy().astype("float64"),
        lambda scores: {"logits": scores},
        lambda scores: (scores,),
        lambda scores: SimpleNamespace(logits=scores, loss=None),
    ],
    ids=["numbers", "tensors", "array", "mapping", "tuple", "object"],
)
def test_scores_are_taken_in_any_shape(shape):
    detector = detectors.wrap(lambda images: shape(brightness(images)), name="any")
    assert detector(BATCH).tolist() == pytest.approx(brightness(BATCH).tolist())


def test_a_callable_cannot_write_into_the_images():
    before = BATCH.clone()
    detector = detectors.wrap(lambda images: brightness(images.zero_()), name="writes")
    assert detector(BATCH).tolist() == [0.0] * 4
    assert torch.equal(BATCH, before)


class Flat(nn.Module):
    """Looks at the layout of what a convolution made, as much code does; has 3-D convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3)
        self.deep = nn.Conv3d(1, 1, 1)

    def forward(self, images):
        return self.layer(images.float()).view(len(images), -1).mean(dim=1)


def test_a_module_that_depends_on_the_layout_of_its_features_runs():
    module = Flat().eval()
    with torch.inference_mode():
        expected = module(BATCH)
    assert torch.equal(detectors.wrap(module, name="flat")(BATCH).detach(), expected)


def test_two_logits_that_are_probabilities_give_a_warning():
    images = torch.randint(0, 256, (8, 3, 20, 20), dtype=torch.uint8)

    def softmax(batch):
        fake = (brightness(batch) / 255).unsqueeze(1)
        return torch.cat([1 - fake, fake], dim=1)

    with pytest.warns(DemagnifyWarning, match="write head=two-probability"):
        detectors.wrap(softmax, name="softmax", head="two-logit", fake_index=1)(images)


def test_two_logits_between_0_and_1_are_no_probabilities(recwarn):
    images = torch.randint(0, 256, (8, 3, 20, 20), dtype=torch.uint8)

    def logits(batch):
        return torch.stack([brightness(batch) / 255, brightness(batch) / 300], dim=1)

    detectors.wrap(logits, name="logits", head="two-logit", fake_index=1)(images)
    assert not [one for one in recwarn if one.category is DemagnifyWarning]


def test_a_failing_torchscript_module_gives_its_cause():
    scripted = torch.jit.script(nn.Linear(3, 1))
    with pytest.raises(BadConfigError, match="RuntimeError: mat1 and mat2"):
        detectors.wrap(scripted, name="scripted", preprocessing=Preprocessing())(BATCH)


def test_the_fingerprint_of_a_module_follows_its_weights_and_of_a_function_does_not():
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, images):
            return images.float().mean(dim=(2, 3)) @ self.weight

    module = Linear()
    detector = detectors.wrap(module, name="linear")
    first = detector.fingerprint()
    with torch.no_grad():
        module.weight.add_(1)
    assert detector.fingerprint() != first
    with pytest.raises(BadConfigError, match="fingerprint"):
        detectors.wrap(brightness, name="brightness").fingerprint()


def test_it_cannot_be_saved(tmp_path):
    with pytest.raises(BadArtifactError, match="cannot be saved"):
        detectors.wrap(brightness, name="brightness").save(tmp_path / "d", {})
    assert not (tmp_path / "d").exists()
