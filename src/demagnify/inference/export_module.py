"""A defended detector as one torch module without branches on data, which ONNX can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from demagnify.agents.defended import DefendedDetector
from demagnify.core.errors import BadConfigError
from demagnify.detectors.wrapped import WrappedDetector, read_scores
from demagnify.transforms import Transform


class ExportModule(nn.Module):
    """Maps whole levels 0-255, float32 (N, 3, S, S), to logits and what else the policy says."""

    def __init__(self, defended: DefendedDetector) -> None:
        super().__init__()
        self.core = _Core(defended)
        self.policy = defended.policy
        self.encoder = defended.encoder if defended.policy.uses_state else None
        self.threshold = defended.threshold
        # A policy without state always takes the same views.
        self.views = [] if self.encoder else self.policy.views(torch.zeros(1, 0))[0].tolist()

    def outputs(self) -> list[str]:
        """Returns the names of what it gives."""
        with torch.no_grad():
            self(torch.zeros(1, 3, self.core.size, self.core.size))
        names = ("logits", "actions", "uncertainty", "abstained")
        return [name for name, one in zip(names, self._all, strict=True) if one is not None]

    def forward(self, levels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Returns logits, actions, and uncertainty and abstained where there are any."""
        if self.encoder is None:
            logits = torch.stack([self.core(levels, view) for view in self.views]).mean(dim=0)
            actions = torch.zeros_like(logits, dtype=torch.int64) + self.views[0]
            self._all: tuple[Any, ...] = (logits, actions, None, None)
        else:
            images = levels.to(torch.uint8)
            states = self.encoder(images, self.encoder.detector_output(images))
            query = _Query(self.core, levels)
            found = self.policy.decide(states, query, self.threshold)
            self._all = (found.logits, found.actions, found.uncertainty, found.abstained)
        return tuple(one for one in self._all if one is not None)


class _Core(nn.Module):
    """Corrections and the detector."""

    def __init__(self, defended: DefendedDetector) -> None:
        super().__init__()
        self.detector = defended.detector
        self.actions = list(defended.actions)
        self.size = defended.input_size

    def forward(self, levels: torch.Tensor, action: int) -> torch.Tensor:
        return self.classify(self.correct(levels, action))

    def correct(self, levels: torch.Tensor, action: int) -> torch.Tensor:
        transform = self.actions[action]
        if transform.is_identity:
            return levels
        return transform.apply(levels.to(torch.uint8)).float()

    def classify(self, levels: torch.Tensor) -> torch.Tensor:
        detector: Any = self.detector
        if isinstance(detector, WrappedDetector):
            prepared = levels.to(torch.uint8)
            if detector.preprocessing:
                prepared = detector.preprocessing(prepared)
            scores = read_scores(detector.network(prepared), detector.output, detector.name)
        else:
            prepared = (levels / 255 - detector.mean) / detector.std
            features = detector.network.forward_features(prepared)
            scores = detector.network.forward_head(features)
        columns = scores.reshape(levels.shape[0], detector.head.outputs).float()
        return detector.head.convert(columns)  # type: ignore[no-any-return]


class _Query:
    """The detector as a policy asks it, on all images at once."""

    def __init__(self, core: _Core, levels: torch.Tensor) -> None:
        self._core = core
        self._levels = levels
        self._corrected: torch.Tensor | None = None

    def __call__(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        if self._corrected is None:
            count = len(self._core.actions)
            all_of_them = [self._core.correct(self._levels, number) for number in range(count)]
            self._corrected = torch.stack(all_of_them)
        return self._core.classify(self._corrected[actions, rows])


class _Correction(nn.Module):
    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        return self.transform.apply(levels.to(torch.uint8)).float()


class _State(nn.Module):
    def __init__(self, encoder: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.encoder = encoder

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        images = levels.to(torch.uint8)
        states: torch.Tensor = self.encoder(images, self.encoder.detector_output(images))
        return states


def check_exportable(defended: DefendedDetector) -> None:
    """Refuses what an ONNX file cannot hold.

    Raises:
        BadConfigError: If the detector wraps a function or an ONNX file, needs another size than
            the agent, cuts out the middle, or a correction is random.
    """
    detector = defended.detector
    size = (defended.input_size, defended.input_size)
    resizing = detector.resizing
    if isinstance(detector, WrappedDetector):
        if not list(detector.network.parameters()):
            raise BadConfigError(
                f"the detector {detector.name!r} is a function or file, not a torch network",
                hint="export the network that it calls",
            )
        resizing = detector.preprocessing or resizing
    plain = resizing.crop_pct == 1.0 and resizing.crop_mode == "squash"
    if resizing.size not in (None, size) or not plain:
        raise BadConfigError(
            f"the detector {detector.name!r} resizes faces once more, to another size or part",
            hint="give it the input size of the defence, without crop_pct",
        )
    for transform in defended.actions:
        if transform.random:
            raise BadConfigError(
                f"the correction {transform.name!r} is random and cannot be exported to ONNX",
                hint="train a defence without it",
            )


def parts_of(defended: DefendedDetector) -> Iterator[tuple[str, nn.Module]]:
    """Yields what may not be exportable, with its name."""
    for transform in defended.actions:
        if not transform.is_identity:
            yield f"the correction {transform.name!r}", _Correction(transform)
    if defended.encoder is not None and defended.policy.uses_state:
        yield f"the state {defended.encoder.spec!r}", _State(defended.encoder)
