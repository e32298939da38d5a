"""Where a detector comes from that demagnify cannot store: a file or code of the user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from demagnify.core.errors import BadArtifactError
from demagnify.detectors.options import Options


class Source(BaseModel):
    """What `detectors.load` was given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: str = Field(description="The path of a file, absolute, or package.module:name")
    options: Options = Field(default=Options(), description="What was said about it")

    def record(self, folder: Path, fingerprint: str) -> dict[str, Any]:
        """Returns what a card in `folder` says, as JSON can hold it."""
        is_file = os.path.isabs(self.where)  # noqa: PTH117  it is a text
        recorded = Recorded(
            source=self,
            nearby=os.path.relpath(self.where, folder.resolve()) if is_file else "",
            fingerprint=fingerprint,
        )
        return recorded.model_dump(mode="json", exclude_none=True)


class Recorded(BaseModel):
    """A source in the card of a defence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
    nearby: str = Field(default="", description="The file's path as seen from the card's folder")
    fingerprint: str = Field(description="The detector's, when the defence was saved")

    @classmethod
    def read(cls, content: Mapping[str, Any], folder: Path) -> Recorded:
        """Reads what `Source.record` wrote.

        Raises:
            BadArtifactError: If it is not as it should be.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise BadArtifactError(
                f"{folder}: the card's words about its detector are damaged: {where}: "
                f"{first['msg']}"
            ) from error

    def find(self, folder: Path) -> Source:
        """Returns the source as it is reached now: beside the moved folder, or where it was.

        Raises:
            BadArtifactError: If a file is in neither place.
        """
        if not self.nearby:
            return self.source
        places = [Path(os.path.normpath(folder.resolve() / self.nearby)), Path(self.source.where)]
        for place in places:
            if place.is_file():
                return self.source.model_copy(update={"where": str(place)})
        raise BadArtifactError(
            f"the detector of {folder} is gone: there is no {' and no '.join(map(str, places))}"
            if places[0] != places[1]
            else f"the detector of {folder} is gone: there is no {places[0]}",
            hint="put the file back, or beside the folder as it was",
        )
