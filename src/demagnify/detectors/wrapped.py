"""Any callable that scores images, as a detector."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from demagnify.core import artifacts
from demagnify.core.errors import (
    BadArtifactError,
    BadConfigError,
    DemagnifyError,
    DemagnifyWarning,
    ImageContractError,
)
from demagnify.core.imports import brief, stated_fingerprint
from demagnify.detectors.detector import Detector, check_finite
from demagnify.detectors.heads import Head, HeadName, ProbabilitySuspicion, make_head, two_names
from demagnify.detectors.preprocessing import Preprocessing
from demagnify.detectors.pretrained import check_fit

KIND: Final = "wrapped detector"
"""The weights of a user's module, which alone can read them."""
_NO_SCALING: Final = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
_EXPECTED: Final = "return one logit per image, float32 of shape (N,)"
_BOTH: Final = "probabilities that add up to 1, write head=two-probability"
_EIGHT_BITS: Final = "convert them: (images * 255).round().byte()"
_NAMES: Final = ("id2label", "class_names", "classes")
"""Where networks keep the names of their outputs."""


class WrappedDetector(Detector):
    """A detector around any callable, which `wrap` makes."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str,
        threshold: float,
        head: Head,
        preprocessing: Preprocessing | None,
        output: str | None,
        identity: str,
    ) -> None:
        mean, std = _NO_SCALING
        network = function if isinstance(function, nn.Module) else _Function(function)
        size = preprocessing.size if preprocessing else None
        super().__init__(
            network,
            name=name,
            backbone="",
            input_size=max(size or (0,)),
            mean=mean,
            std=std,
            threshold=threshold,
            precision="float32",
            head=head,
        )
        self.preprocessing = preprocessing
        self.output = output
        self.identity = identity  # changes with a function; a module's weights count anyway
        self.differentiable = True
        self._suspicion: ProbabilitySuspicion | None = ProbabilitySuspicion()

    def score(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the scores of the callable for an image batch, before its head."""
        if images.is_floating_point():
            self._check_takes_floats()
        # A copy: a function may write into its input, and the faces are needed again.
        batch = images.clone() if self.preprocessing is None else self.preprocessing(images)
        result = check_finite(read_scores(self._call(batch), self.output, self.name), self.name)
        if batch.requires_grad and not result.requires_grad:
            raise ImageContractError(
                f"the detector {self.name!r} has no gradient to its images", hint=_EIGHT_BITS
            )
        if not self.head.is_probability:
            self._watch(result)
        return result

    def fingerprint(self) -> str:
        """See `Detector.fingerprint`.

        Raises:
            BadConfigError: If it wraps a bare function, of which no change can be noticed.
        """
        if isinstance(self.network, _Function) and not self.identity:
            raise BadConfigError(
                f"nothing tells whether the function of the detector {self.name!r} has changed",
                hint="give it an attribute `fingerprint`, a text that changes with it, or wrap a "
                "torch.nn.Module",
            )
        before = "" if self.preprocessing is None else self.preprocessing.model_dump_json()
        parts = [self.identity, self.head.model_dump_json(), before, self.output or ""]
        digest = hashlib.sha256("\n".join(parts).encode())
        artifacts.update_digest(digest, self.network.state_dict())
        return digest.hexdigest()

    @property
    def trainable(self) -> bool:
        """Whether it can be trained here: it wraps a module with weights, which the caller has."""
        return self.device is not None and self.source is None

    def save(self, folder: Path, card: Mapping[str, Any], *, half: bool = False) -> None:
        """Writes the weights of a module, which `restored` reads into the same module.

        Raises:
            BadArtifactError: If it wraps a function, which has no weights.
            BadOutputError: If the place cannot be written to.
        """
        if not self.trainable:
            raise BadArtifactError(
                f"the detector {self.name!r} wraps a callable and cannot be saved to {folder}",
                hint="save it your own way and wrap it again",
            )
        tensors = self.network.state_dict()
        if half:
            tensors = {k: v.half() if v.ndim > 1 else v for k, v in tensors.items()}
        about = {"name": self.name, "threshold": self.threshold}
        artifacts.save(folder, KIND, tensors, {**card, "wrapped": about})

    def restored(self, folder: Path) -> WrappedDetector:
        """See `Detector.restored`."""
        artifact = artifacts.load(folder, KIND)
        check_fit(self.network.state_dict(), artifact.tensors, folder)
        copy = deepcopy(self)
        copy.network.load_state_dict(artifact.tensors)
        copy.threshold = float(artifact.card["wrapped"]["threshold"])
        copy.card = artifact.card
        return copy.eval()

    def _check_takes_floats(self) -> None:
        if not self.differentiable:
            raise ImageContractError(
                f"the detector {self.name!r} takes uint8 images only: it has no gradient",
                hint=_EIGHT_BITS,
            )
        if self.preprocessing is None:
            raise ImageContractError(
                f"the detector {self.name!r} takes uint8 images only: nothing says how its "
                "callable wants floats",
                hint="give `wrap` a preprocessing, or convert: (images * 255).round().byte()",
            )

    def _call(self, batch: torch.Tensor) -> object:
        try:
            return self.network(batch)
        except DemagnifyError:
            raise
        except Exception as error:  # whatever a user's code does
            shape = " x ".join(map(str, batch.shape))
            raise BadConfigError(
                f"the detector {self.name!r} fails on {batch.dtype} images {shape}: {brief(error)}",
                hint="try another input_size; weights in half precision need .float()"
                if self.preprocessing
                else "if it wants floats or one size, write mean, std, range and input_size",
            ) from error

    def _watch(self, scores: torch.Tensor) -> None:
        """Warns once if logits look like probabilities."""
        if self._suspicion is None or 0.0 < self.threshold < 1.0 or not scores.numel():
            return
        adds_up = scores.shape[-1:] == (2,) and bool(((scores.sum(dim=-1) - 1).abs() < 1e-3).all())
        # Of two logits it takes more than their range to look like probabilities: their sum.
        possible = self.head.outputs == 1 or adds_up
        self._suspicion = self._suspicion.extended(scores) if possible else None
        if self._suspicion is not None and self._suspicion.confirmed:
            self._suspicion = None
            warnings.warn(
                f"all scores of the detector {self.name!r} lie between 0 and 1: if they are "
                + ("probabilities of fake, write head=probability", _BOTH)[self.head.outputs - 1],
                DemagnifyWarning,
                stacklevel=2,
            )


class _Function(nn.Module):
    """A bare function as a module, so that a detector can hold it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: torch.Tensor) -> object:
        return self.function(images)


def wrap(
    function: Callable[..., Any],
    *,
    name: str,
    threshold: float | None = None,
    head: HeadName | None = None,
    fake_index: int | None = None,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    output: str | None = None,
) -> WrappedDetector:
    """Makes a detector of a callable or module that scores images.

    Args:
        function: Maps an image batch, uint8 RGB (N, 3, H, W), to one number per image or two, as
            a tensor, an array, a list, an object with `.logits`, or a mapping. A module's
            parameters say on which device it gets its images; a function gets them where they are.
            An attribute `fingerprint`, a text, says when a function has changed.
        name: Its name in tables.
        threshold: Above it is fake: a probability of fake where the head gives probabilities,
            else a logit. The middle, 0.5 or 0, if None.
        head: The meaning of the numbers, see `demagnify.detectors.heads`; one logit if None.
        fake_index: Which of two outputs is fake.
        labels: The names of two outputs in their order, in place of `fake_index`. A module that
            has them itself, as those of Hugging Face, needs none.
        preprocessing: Applied to an image batch first; None if `function` takes uint8.
            With it, float images in [0, 1] are accepted too, with gradients if `function` has
            them.
        output: The entry that holds the scores where `function` returns a mapping.

    Returns:
        A detector that checks every output: one finite number per image.

    Raises:
        BadConfigError: If it is not known which of two outputs is fake.

    Example:
        >>> import torch
        >>> from demagnify.detectors import wrap
        >>> sharp = wrap(lambda images: images.float().std(dim=(1, 2, 3)), name="sharp")
        >>> sharp(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
        tensor([0., 0.])
    """
    named = labels or names_of_outputs(function)
    chosen = make_head(head, fake_index=fake_index, labels=named, detector=name)
    return WrappedDetector(
        function,
        name=name,
        threshold=chosen.threshold(threshold),
        head=chosen,
        preprocessing=preprocessing,
        output=output,
        identity=stated_fingerprint(function),
    )


def names_of_outputs(network: object) -> tuple[str, str] | None:
    """Returns the names of a network's two outputs in their order, if it has any."""
    for holder in (getattr(network, "config", None), network):
        for attribute in _NAMES:
            names = two_names(getattr(holder, attribute, None))
            if names:
                return names
    return None


def read_scores(result: Any, output: str | None, name: str) -> torch.Tensor:  # noqa: ANN401  a user's
    """Returns the scores in the output of a user's network."""
    if output is not None:
        if not isinstance(result, Mapping) or output not in result:
            keys = ", ".join(map(str, result)) if isinstance(result, Mapping) else "no mapping"
            raise BadConfigError(f"the detector {name!r} gave no output {output!r}: {keys}")
        result = result[output]
    elif not isinstance(result, torch.Tensor) and hasattr(result, "logits"):
        result = result.logits
    elif isinstance(result, Mapping | tuple) and len(result) == 1:
        (result,) = result.values() if isinstance(result, Mapping) else result
    if isinstance(result, Mapping | tuple):
        what = result if isinstance(result, Mapping) else (type(one).__name__ for one in result)
        raise BadConfigError(
            f"the detector {name!r} returned several things: {', '.join(map(str, what))}",
            hint="write output=NAME for the one that holds the scores"
            if isinstance(result, Mapping)
            else "return the one that holds the scores",
        )
    return _as_tensor(result, name)


def _as_tensor(result: Any, name: str) -> torch.Tensor:  # noqa: ANN401  a user's
    """Returns real numbers, given as a tensor, an array or a list, as a tensor."""
    if isinstance(result, np.ndarray | list):
        try:
            result = torch.as_tensor(result)
        except (TypeError, ValueError, RuntimeError) as error:
            raise BadConfigError(
                f"the detector {name!r} returned no numbers: {brief(error)}", hint=_EXPECTED
            ) from error
    if not isinstance(result, torch.Tensor):
        raise BadConfigError(
            f"the detector {name!r} returned a {type(result).__name__}, not a tensor",
            hint=_EXPECTED,
        )
    if result.is_complex() or result.is_meta or result.layout is not torch.strided:
        raise BadConfigError(
            f"the detector {name!r} returned a tensor of {result.dtype}, {result.layout}, on "
            f"{result.device}, which is no plain list of scores",
            hint=_EXPECTED,
        )
    return result
