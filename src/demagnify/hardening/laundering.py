"""Laundering as an augmentation in anybody's training, wherever image transforms are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import is_pure_tensor

from demagnify.core.errors import BadConfigError, ImageContractError
from demagnify.core.images import check_batch, check_pixels
from demagnify.core.rng import generator
from demagnify.hardening.attack_pool import AttackPool
from demagnify.hardening.delivery import Delivery
from demagnify.hardening.surrogate_training import read_surrogates
from demagnify.transforms.base import Transform, content_numbers, create
from demagnify.transforms.catalogue import DEGRADATIONS

RESIZING: Final = ("bicubic-x2", "bicubic-x3", "bicubic-x4")
_MODES: Final = ("RGB", "RGBA", "L", "LA")


class Laundering(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Launders images at random, as an attacker would: a transform for training detectors.

    A laundered image is filtered as super-resolution would, shrunk and enlarged, or rebuilt by a
    network, and then delivered as attackers do: at its size in a photograph, perhaps blended with
    the original, perhaps stored as JPEG. Size, channels and type stay the same; labels, masks and
    boxes do too. Families (filters, resizing, surrogates, given attacks) are equally likely.

    It takes what torchvision's v2 transforms take, inside `v2.Compose` or alone: PIL images,
    `tv_tensors.Image`, uint8 tensors, with targets beside them. It also takes uint8 arrays
    (H, W, 3), and calls as in albumentations: `laundering(image=array, mask=mask)["image"]`. Put it
    before the conversion to floats.

    Args:
        p: Chance that an image is laundered; each image of a batch has its own.
        attacks: Further attacks: specs such as "realesr-compact-x4", or transforms.
        surrogates: A folder with surrogate networks: the `.rounds` folder of `demagnify harden`.
        seed: None draws from torch's generator, of which each worker of a `DataLoader` has its
            own: `torch.manual_seed` repeats a run. With a number, seed and pixels alone decide, in
            any worker, order and epoch: an image is laundered in one way, as for validation.

    Shape:
        uint8 RGB (3, H, W), (N, 3, H, W) or, as an array, (H, W, 3), to the same.

    Raises:
        BadConfigError: If `p` is no probability, or an attack is unknown.
        BadArtifactError: If the folder holds no surrogate network, or a damaged one.

    Example:
        >>> import torch
        >>> from torchvision.transforms import v2
        >>> from demagnify import Laundering
        >>> images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
        >>> train = v2.Compose([Laundering(p=0.3), v2.ToDtype(torch.float32, scale=True)])
        >>> train(images).shape
        torch.Size([2, 3, 64, 64])
    """

    _transformed_types = (is_pure_tensor, tv_tensors.Image, Image.Image)

    def __init__(
        self,
        p: float = 0.3,
        attacks: Sequence[str | Transform] = (),
        *,
        surrogates: str | Path | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise BadConfigError(f"p is a probability, 0 to 1, not {p}")
        given = [create(one) if isinstance(one, str) else one for one in attacks]
        networks = [] if surrogates is None else read_surrogates(Path(surrogates))
        families: tuple[Sequence[Transform], ...] = (
            [create(name) for name in DEGRADATIONS],
            [create(name) for name in RESIZING if name not in {one.name for one in given}],
            networks,
            given,
        )
        self.p, self.seed = p, seed
        self._pool = AttackPool(tuple(tuple(map(Delivery, one)) for one in families if one))
        self.attacks = self._pool.names

    def forward(self, *inputs: Any, **named: Any) -> Any:  # noqa: ANN401  as torchvision's
        """Launders the image among the inputs; see the class."""
        if named:
            if inputs or "image" not in named:
                raise BadConfigError(
                    "named inputs are those of albumentations", hint="laundering(image=array)"
                )
            return {**named, "image": self.forward(named["image"])}
        if len(inputs) == 1 and isinstance(inputs[0], np.ndarray):
            return self._array(inputs[0])
        return super().forward(*inputs)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:  # noqa: ANN401, ARG002  as above
        """Launders one image, or a batch of them; torchvision calls it."""
        if isinstance(inpt, Image.Image):
            return self._photograph(inpt)
        plain = inpt.as_subclass(torch.Tensor)
        if plain.ndim not in (3, 4) or plain.shape[-3] != 3 or plain.dtype != torch.uint8:
            raise ImageContractError(
                f"Laundering got {plain.dtype} of shape {tuple(plain.shape)}, not uint8 RGB "
                "(3, H, W) or (N, 3, H, W)",
                hint="put it before ToDtype and Normalize",
            )
        laundered = self._launder(plain if plain.ndim == 4 else plain[None]).view(plain.shape)
        return tv_tensors.wrap(laundered, like=inpt) if not is_pure_tensor(inpt) else laundered

    def _photograph(self, image: Image.Image) -> Image.Image:
        if image.mode not in _MODES:
            raise ImageContractError(
                f"Laundering got an image of mode {image.mode}", hint='convert("RGB") before it'
            )
        result = Image.fromarray(self._array(np.array(image.convert("RGB"))))
        if image.mode == "RGB":
            return result
        result = result.convert(image.mode)
        if image.mode.endswith("A"):
            result.putalpha(image.getchannel("A"))
        return result

    def _array(self, pixels: Any) -> Any:  # noqa: ANN401  checked here
        batch = torch.from_numpy(np.ascontiguousarray(check_pixels(pixels).transpose(2, 0, 1)))
        return np.ascontiguousarray(self._launder(batch[None])[0].permute(1, 2, 0).numpy())

    def _launder(self, images: torch.Tensor) -> torch.Tensor:
        result = check_batch(images).clone()
        for row, rng in enumerate(self._rngs(images)):
            if rng.random() < self.p:
                (number,) = self._pool.draw(rng, 1).tolist()
                result[row] = self._pool.transforms[number](images[row : row + 1], rngs=[rng])[0]
        return result

    def _rngs(self, images: torch.Tensor) -> list[np.random.Generator]:
        """Returns a generator for each image."""
        if self.seed is None:
            numbers = torch.randint(2**62, (len(images),)).tolist()
            return [generator(0, "laundering", number) for number in numbers]
        return [generator(self.seed, "laundering", one) for one in content_numbers(images)]
