"""Every guide runs as it stands, from an empty folder, in the order in which it is read."""

import sys

import pytest

from pages import GUIDES, run

ASSETS = (
    *("yunet", "celeba-999", "efficientnet-lite0", "mobilenetv2"),
    *("realesr-compact-x2", "realesr-compact-x4", "srgan-x4"),
)
"""What any of the guides fetches; here it must be there before, for the tests are offline."""


@pytest.mark.assets
@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_a_guide_runs(page, asset, tmp_path, monkeypatch):
    for name in ASSETS:
        asset(name)
    folder, shims = tmp_path / page.stem, tmp_path / "bin"
    folder.mkdir()
    shims.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)  # as for who starts Python there
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    run(page, shims)
    for name in set(sys.modules) - before:  # a guide's own files, which another one may have too
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
