"""Detectors and defences on the Hugging Face hub: folders that others load by name.

`save_pretrained` writes a folder, `push_to_hub` the same to a repository, `from_pretrained` reads
either. In it are `card.json` and `model.safetensors` as in any folder of demagnify, `config.json`
by which timm makes the network, and a model card, `README.md`, with the figures as `model-index`.
A defence has its detector in the folder `detector`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.error
import urllib.request
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import huggingface_hub
from huggingface_hub import ModelCard, ModelHubMixin
from huggingface_hub import constants as hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from demagnify.core import artifacts
from demagnify.core.devices import Precision
from demagnify.core.errors import AssetError, BadArtifactError, BadConfigError
from demagnify.core.files import writing_to
from demagnify.core.imports import brief
from demagnify.detectors.model_card import MARK, model_card

try:
    from httpx import HTTPError
except ImportError:  # older clients of the hub use requests, whose errors are OSErrors
    HTTPError = OSError  # type: ignore[misc, assignment]

README: Final = "README.md"
_SCHEME: Final = "hub:"
_FILES: Final = ("*.json", "*.safetensors", README)
"""No code and no pickle is fetched."""
_CODE: Final = "detector_source"
"""The key of a defence's card that names a file or code of the user's own."""
_PROBE_SECONDS: Final = 5.0


class HubMixin(ModelHubMixin):
    """The methods of Hugging Face's hub for a detector or defence.

    Attributes:
        card: What is known of it.
    """

    card: dict[str, Any]
    task: ClassVar[str] = "undefended"
    """The role of the method in results.json whose figures are its own."""

    def published_card(self) -> dict[str, Any]:
        """Returns the card as it is published."""
        return self.card

    @abstractmethod
    def publish(self, folder: Path) -> None:
        """Writes a folder for the hub, in place of one that is there."""

    @classmethod
    @abstractmethod
    def read_published(cls, folder: Path, *, device: str, precision: Precision) -> Self:
        """Reads a folder that `publish` or `save` wrote."""

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **how: Any,  # noqa: ANN401
    ) -> str | None:
        """Writes a folder for the hub.

        Args:
            save_directory: The folder; other files in it stay, a model card of your own too.
            repo_id: "owner/name", where it will be.
            push_to_hub: Whether to write it to that repository, too.
            model_card_kwargs: Keywords of `demagnify.detectors.model_card.model_card`, such as
                `{"results": "runs/evaluation"}`.
            how: Keywords of `push_to_hub`.

        Returns:
            The address of the commit, if it was written to a repository.

        Raises:
            BadConfigError: If it is code of your own, or `results` do not fit.
            BadOutputError: If the place cannot be written to.
            AssetError: If the hub is out of reach.
        """
        about = _about(repo_id, model_card_kwargs)
        with writing_to(save_directory, hint=""):
            Path(save_directory).mkdir(parents=True, exist_ok=True)
        return super().save_pretrained(
            save_directory,
            repo_id=repo_id,
            push_to_hub=push_to_hub,
            model_card_kwargs=about,
            **how,
        )

    def _save_pretrained(self, save_directory: Path) -> None:
        """Writes the folder's files; others in it stay."""
        readme = save_directory / README
        if readme.is_file() and MARK in readme.read_text(encoding="utf-8", errors="replace"):
            readme.unlink()  # `save_pretrained` writes no card where there is one
        with (
            writing_to(save_directory, hint=""),
            tempfile.TemporaryDirectory(dir=save_directory.parent, prefix=".hub-") as name,
        ):
            made = Path(name) / "model"
            self.publish(made)
            for one in made.iterdir():
                place = save_directory / one.name
                if place.is_dir():
                    shutil.rmtree(place)
                one.replace(place)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # without a configuration: the card has it
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> Self:
        """Reads a folder, or a repository of the hub.

        Args:
            pretrained_model_name_or_path: A folder, or "owner/name".
            revision: Branch, tag or commit of the repository.
            cache_dir: Where repositories are kept; the usual cache if None.
            force_download: Whether to fetch again what is in the cache.
            local_files_only: Whether to take what is in the cache.
            token: A token of the hub; the one of `hf auth login` if None.
            device: "auto", "cpu", "cuda".
            precision: Precision of the network; see `demagnify.core.devices`.

        Raises:
            AssetError: If the repository is neither within reach nor in the cache.
            BadArtifactError: If it is damaged or something else.
        """
        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            folder = fetch(
                str(pretrained_model_name_or_path),
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
            )
        return cls.read_published(folder, device=device, precision=precision)

    def generate_model_card(self, *_: object, **about: Any) -> ModelCard:  # noqa: ANN401
        """Makes the model card; `about` are the keywords of `model_card`."""
        return model_card(self.published_card(), type(self).__name__, role=self.task, **about)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        model_card_kwargs: dict[str, Any] | None = None,
        **how: Any,  # noqa: ANN401
    ) -> str:
        """Writes to a repository; `how` are the keywords of `ModelHubMixin.push_to_hub`.

        Raises:
            AssetError: If the hub is out of reach, or refuses.
        """
        with one_line(f"{repo_id} cannot be written to {hub.ENDPOINT}", "`hf auth login`"):
            check_within_reach()
            about = _about(repo_id, model_card_kwargs)
            return str(super().push_to_hub(repo_id, model_card_kwargs=about, **how))


def _about(repo_id: str | None, given: dict[str, Any] | None) -> dict[str, Any]:
    """Returns the keywords of the model card, with the repository."""
    return {**({"repo_id": repo_id} if repo_id else {}), **(given or {})}


def fetch(repository: str, *, local_files_only: bool = False, **how: Any) -> Path:  # noqa: ANN401
    """Returns the folder with a repository's files: fetched, or from the cache when offline.

    Args:
        repository: "owner/name".
        local_files_only: Whether to take what is in the cache.
        how: Further keywords of `huggingface_hub.snapshot_download`.

    Raises:
        AssetError: If it is neither within reach nor in the cache.
        BadArtifactError: If it names code to be run.
    """
    wanted = {"allow_patterns": list(_FILES), **how}
    hint = "go online once, or give a folder that save_pretrained wrote"
    with one_line(f"{repository} cannot be downloaded from {hub.ENDPOINT}", hint):
        if not local_files_only:
            try:
                check_within_reach()
            except OSError:
                local_files_only = True
        folder = Path(
            huggingface_hub.snapshot_download(
                repository, local_files_only=local_files_only, **wanted
            )
        )
    if _CODE in artifacts.load_card(folder):
        raise BadArtifactError(
            f"{repository} names a detector that is code or a file elsewhere; it was not loaded",
            hint="load it by yourself and give it to DefendedDetector.load(folder, detector=...)",
        )
    return folder


def repository_of(source: str | Path) -> str | None:
    """Returns "owner/name" of "hub:owner/name"; None for anything else.

    Example:
        >>> repository_of("hub:me/mine")
        'me/mine'
    """
    is_one = isinstance(source, str) and source.startswith(_SCHEME)
    return str(source).removeprefix(_SCHEME) if is_one else None


def check_within_reach() -> None:
    """Asks the hub for a sign of life: its client would retry for a minute and write a page.

    Raises:
        OSError: If there is none.
    """
    if hub.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in {
        "1",
        "ON",
        "YES",
        "TRUE",
    }:
        raise OSError("HF_HUB_OFFLINE is set")
    request = urllib.request.Request(hub.ENDPOINT, method="HEAD")  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=_PROBE_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return  # an answer, though not a kind one: the hub is within reach


@contextmanager
def one_line(what: str, hint: str) -> Iterator[None]:
    """Turns what the hub's client says into one line for the user."""
    try:
        yield
    except HFValidationError as error:
        raise BadConfigError(f"{what}: it is no folder, and no owner/name") from error
    except LocalEntryNotFoundError as error:
        raise AssetError(f"{what}, and is not in the cache", hint=hint) from error
    except (OSError, HfHubHTTPError, HTTPError, ValueError) as error:
        raise AssetError(f"{what}: {brief(error)}", hint=hint) from error
