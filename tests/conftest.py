"""What all tests share: third-party assets, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from demagnify.core import assets

# A busy machine must not fail a test by its clock.
settings.register_profile("demagnify", deadline=None)
settings.load_profile("demagnify")

_unreachable: list[str] = []


@pytest.fixture(scope="session")
def asset() -> Callable[[str], Path]:
    """Returns the path of an asset, or skips the test if it is neither cached nor within reach."""

    def get(name: str) -> Path:
        if _unreachable and not any(row.present for row in assets.describe() if row.name == name):
            pytest.skip(_unreachable[0])
        try:
            return assets.fetch(name)
        except assets.UnreachableError as error:
            _unreachable.append(str(error))
            pytest.skip(str(error))

    return get
