"""How a sparring network is built and what it is taught: drawn, so that no two are alike."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from demagnify.core.rng import generator

Aim = Literal["faithful", "restoring", "painting", "inventing", "enhancing"]
Activation = Literal["relu", "prelu", "leaky"]
Upsampling = Literal["shuffle", "nearest", "transposed"]

AIMS: Final[tuple[Aim, ...]] = ("faithful", "restoring", "painting", "inventing", "enhancing")
SCALES: Final = (2, 4, 3)


class Design(BaseModel):
    """Of one sparring network.

    What the published ones are trained for, in small: least error on clean images (EDSR, SRResNet,
    SRMD); least error on dirty ones, which removes noise, JPEG blocks and skin alike
    (Real-ESRNet); flat areas and hard edges (networks for drawings); made-up detail that a
    discriminator takes for true (SRGAN); sharpened images with such detail from dirty ones
    (Real-ESRGAN).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1, description="Which of the networks")
    aim: Aim = Field(description="What it is taught")
    scale: int = Field(ge=2, le=4, description="By how much it enlarges")
    width: int = Field(ge=4, description="Channels of its hidden layers")
    depth: int = Field(ge=1, description="Hidden layers")
    activation: Activation = Field(description="Between the layers")
    upsampling: Upsampling = Field(
        description="At its end: pixel shuffle, nearest neighbours and a convolution, or a "
        "transposed convolution, each of which leaves a grid of its own"
    )
    dirt: float = Field(
        ge=0, le=1, description="How much blur, noise and JPEG its small images get in training"
    )
    hardness: float = Field(
        ge=0, description="How much the edges are sharpened that it learns to paint"
    )
    texture: float = Field(ge=0, description="Weight of the discriminator in its loss")
    effort: int = Field(
        default=1, ge=1, description="How many times as long as others it is taught"
    )

    @property
    def name(self) -> str:
        """What it is called in records and pictures: "painting-x4-2"."""
        return f"{self.aim}-x{self.scale}-{self.number}"


def draw_design(seed: int, number: int) -> Design:
    """Draws the design of network `number`, from 1; fifteen in turn have every aim at every scale.

    Args:
        seed: Of the draws.
        number: Which network.
    """
    dice = generator(seed, "sparring design", number)
    aim = AIMS[(number - 1) % len(AIMS)]
    dirty = aim in ("restoring", "painting", "enhancing")
    hard = {"painting": (0.5, 2.5), "enhancing": (0.5, 1.5)}.get(aim)
    taught_by_a_judge = {"inventing": (0.02, 0.15), "enhancing": (0.05, 0.3)}.get(aim)
    return Design(
        number=number,
        aim=aim,
        scale=SCALES[(number - 1) % len(SCALES)],
        width=int(dice.choice((16, 24, 32))),
        depth=int(dice.integers(3, 8)),
        activation=("relu", "prelu", "leaky")[dice.integers(3)],
        upsampling=("shuffle", "shuffle", "nearest", "transposed")[dice.integers(4)],
        dirt=float(dice.uniform(0.3, 1.0)) if dirty else 0.0,
        hardness=float(dice.uniform(*hard)) if hard else 0.0,
        effort=3 if aim == "enhancing" else 1,
        texture=float(dice.uniform(*taught_by_a_judge)) if taught_by_a_judge else 0.0,
    )
