import pytest
import torch
from torch import nn

from demagnify import detectors
from demagnify.errors import BadArtifactError, BadConfigError

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


def test_name_and_threshold_are_kept():
    detector = detectors.wrap(brightness, name="brightness", threshold=127.0)
    assert (detector.name, detector.threshold) == ("brightness", 127.0)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda images: torch.zeros(len(images), 2), "head=two-logit and fake_index=1"),
        (lambda images: torch.zeros(()), r"returned shape \(\)"),
        (lambda images: torch.zeros(len(images) + 1), r"not \(4,\)"),
        (lambda images: torch.full((len(images),), torch.nan), "4 of 4 logits"),
        (lambda images: torch.tensor([0.0, torch.inf, 0.0, 0.0]), "1 of 4 logits"),
        (lambda images: [0.0] * len(images), "returned a list"),
    ],
    ids=["two-outputs", "scalar", "too-many", "nan", "infinite", "list"],
)
def test_a_wrong_answer_is_told_in_one_line(answer, says):
    with pytest.raises(BadConfigError, match=says) as caught:
        detectors.wrap(answer, name="broken")(BATCH)
    assert "'broken'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_is_told_apart_by_its_weights_and_a_function_is_not():
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
