"""Super-resolution networks in ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import nn

from demagnify.core.errors import BadArtifactError
from demagnify.core.onnx_session import OnnxSession
from demagnify.transforms.super_resolution.network import PROBE, Alone, Network, scale_of
from demagnify.transforms.super_resolution.readers import READERS, Loaded, Reader

_DTYPES: Final = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16}
_RGB: Final = 3


class OnnxNetwork(nn.Module):
    """The network of an ONNX file: RGB in [0, 1] to RGB in [0, 1], any size.

    Args:
        session: The opened file.

    Raises:
        BadArtifactError: If it does not map one batch of RGB images of any size to another.
    """

    def __init__(self, session: OnnxSession) -> None:
        super().__init__()
        self._session = session
        inputs, outputs = session.session.get_inputs(), session.session.get_outputs()
        if (len(inputs), len(outputs)) != (1, 1):
            raise BadArtifactError(
                f"{session.path} has {len(inputs)} inputs and {len(outputs)} outputs; a network "
                "for super-resolution has one of each"
            )
        self._input, self._output = inputs[0].name, outputs[0].name
        shape = [side if isinstance(side, int) and side > 0 else None for side in inputs[0].shape]
        if len(shape) != 4 or shape[1] not in (_RGB, None) or inputs[0].type not in _DTYPES:
            raise BadArtifactError(
                f"{session.path} takes {inputs[0].type} of shape {inputs[0].shape}, not float "
                "RGB images N x 3 x H x W"
            )
        if any(shape[2:]):
            raise BadArtifactError(
                f"{session.path} takes images of one size only, shape {inputs[0].shape}",
                hint="export it with dynamic_axes for height and width",
            )
        self.batch: int | None = shape[0]
        self._dtype = _DTYPES[inputs[0].type]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) in [0, 1] to enlarged ones."""
        numbers = images.to("cpu", self._dtype).contiguous().numpy()
        answer = self._session.run(self._output, self._input, numbers, hint="try another size")
        return torch.from_numpy(answer).to(images.device)


def load(path: Path, *, device: str = "auto") -> Loaded:
    """Opens an ONNX file, and finds out by how much its network enlarges.

    Raises:
        BadArtifactError: If it is no network that enlarges RGB images of any size.
        BadConfigError: If onnxruntime is missing, or the network does not run.
    """
    session = OnnxSession(path, device=device)
    network = OnnxNetwork(session)
    if network.batch not in (1, None):
        raise BadArtifactError(
            f"{path} takes {network.batch} images at once", hint="export it for 1, or any number"
        )
    module: nn.Module = network if network.batch is None else Alone(network)
    scale = scale_of(module(torch.full((1, _RGB, *PROBE), 0.5)), str(path))
    made = Network(module.eval(), scale, bfloat16=False, channels_last=False)
    return Loaded(made, tuple(session.files()))


def _read(path: Path, /, *, scale: int | None, device: str) -> Loaded:  # noqa: ARG001
    return load(path, device=device)


READERS.add("onnx", Reader(_read, (".onnx",)))
