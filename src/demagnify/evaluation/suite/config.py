"""What is entered in a benchmark: a module of its own, which needs no torch."""

from __future__ import annotations

from pydantic import Field

from demagnify.core.settings import DetectorOptions


class SuiteConfig(DetectorOptions):
    """What is entered, and in which suite."""

    detector: str = Field(
        default="default",
        description="What is entered: a detector as in train-defense --detector, or a defence, a "
        "folder or a shipped one. A defence's row holds its detector alone beside it.",
    )
    suite: str = Field(default="sr-v1", description="A published suite, or a YAML file.")
    name: str = Field(default="", description="The row's name in tables.")
    seed: int = Field(default=0, ge=0, description="Seed of the resamples.")
    resamples: int = Field(default=1000, ge=20, description="Bootstrap resamples over groups.")
