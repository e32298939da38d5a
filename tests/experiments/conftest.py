"""The research loop, run once on tiny faces, for all tests that look at what it leaves behind."""

import pytest
from tiny_loop import run_loop

from demagnify.core.assets.store import CACHE_VARIABLE


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Where attacked faces are kept for these tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cached(cache, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))


@pytest.fixture(scope="session")
def loop(tmp_path_factory, cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(cache))
        return run_loop(tmp_path_factory.mktemp("loop"))


@pytest.fixture(scope="session")
def same_loop(tmp_path_factory):
    """The same from the beginning, in another folder and with nothing in the cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("other-cache")))
        return run_loop(tmp_path_factory.mktemp("same"))
