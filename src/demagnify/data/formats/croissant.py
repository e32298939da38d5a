"""Croissant: metadata of a set, `croissant.json`, by which catalogues and loaders know it.

Written by version 1.0 of the standard (https://docs.mlcommons.org/croissant/docs/croissant-spec.html)
for a set of face crops: the table and its SHA-256, the pictures as a file set, and a record set
`faces` with a field for each column and one for the picture. The table is the set's
`metadata.csv`, or, where the set has none, one written beside it, `croissant-table.csv`.

Read is a `croissant.json` whose table lies beside it, as a CSV, JSON lines or Parquet file that
its `distribution` names: by demagnify, or by any other writer whose table has a column of files
and one of labels.
"""

from __future__ import annotations

import csv
import json
import os
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final

from pydantic import Field

from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.core.files import sha256, write_text
from demagnify.data.formats.annotation_files import read_json, starts_with_keys
from demagnify.data.formats.base import FORMATS, Exported, Format, FormatOptions
from demagnify.data.manifest import FILE_NAME, Manifest
from demagnify.data.tables import READERS, TableFile, read_tables

NAME: Final = "croissant.json"
_STANDARD: Final = "http://mlcommons.org/croissant/1.0"
_ANY_VERSION: Final = "http://mlcommons.org/croissant/"
_RECORDS: Final = "faces"
_TABLE: Final = "table"
_PICTURES: Final = "pictures"
_TYPES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
_ABOUT: Final = {
    "file_name": "The picture, relative to the table.",
    "label": "real or fake; fake is the positive class.",
    "split": "train, val, test, or another part.",
    "group": "Pictures of one group (photograph, video, person) stay in one split.",
}
_CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "extract", "field", "fileProperty", "fileObject", "fileSet"),
            *("format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
            *("path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
            *("separator", "source", "subField", "transform", "equivalentProperty"),
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": _ANY_VERSION,
    "rai": f"{_ANY_VERSION}RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}


class CroissantExport(FormatOptions):
    """What only the set's author knows."""

    name: str = Field("", description="The set's name; that of its folder if not given.")
    description: str = Field("", description="What the set holds; counted if not given.")
    license: str = Field("", description="The licence, as a name or an address.")
    url: str = Field("", description="The set's page.")
    creator: str = Field("", description="Who made the set.")
    cite: str = Field("", description="How to cite the set.")
    version: str = Field("1.0.0", description="The set's version.")
    published: date | None = Field(None, description="The day of publication, as 2026-01-31.")


@FORMATS.register("croissant")
class Croissant(Format[FormatOptions]):
    """A file of Croissant metadata with its table beside it."""

    name: ClassVar[str] = "croissant"
    order: ClassVar[int] = 15
    summary: ClassVar[str] = "croissant.json, or a folder with one, with its table beside it"
    crops: ClassVar[bool] = True
    refused: ClassVar[str] = (
        "metadata whose table has to be fetched first, and tables without labels"
    )
    writes: ClassVar[str] = "croissant.json in a folder above the pictures"
    export_type: ClassVar[type[FormatOptions]] = CroissantExport

    def recognises(self, source: Path) -> bool:
        """Whether it is JSON-LD, or a folder with croissant.json."""
        place = source / NAME if source.is_dir() else source
        return place.suffix.lower() == ".json" and starts_with_keys(place, {"@context"})

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:
        """Reads the tables that lie beside the file."""
        del options
        place = source / NAME if source.is_dir() else source
        if not place.is_file():
            raise BadManifestError(f"{source}: there is no {NAME}")
        content = read_json(place)
        if not isinstance(content, dict) or _ANY_VERSION not in str(
            [content.get("conformsTo"), content.get("dct:conformsTo")]
        ):
            raise BadManifestError(
                f"{place}: says of no version of Croissant that it conforms to it"
            )
        files = [TableFile(one) for one in _tables(place, content)]
        return read_tables(files, place.parent, strict=strict)

    def write(self, manifest: Manifest, output: Path, options: CroissantExport) -> Exported:
        """Writes the metadata of a set of face crops.

        Raises:
            BadConfigError: If the file's name does not end in .json.
            BadManifestError: If it is no set of face crops, or a picture lies elsewhere.
        """
        if output.suffix != ".json":
            raise BadConfigError(f"{output}: Croissant is JSON", hint=f"call it {NAME}")
        manifest.check_prepared()
        table = _table_beside(manifest, output)
        content = _content(manifest, table, options)
        write_text(output, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        absent = [name for name in ("license", "creator", "url") if not getattr(options, name)]
        notes = [f"not stated, though Croissant wants it: {', '.join(absent)}"] if absent else []
        return Exported((output, *([table] if table.name != FILE_NAME else [])), tuple(notes))


def _tables(place: Path, content: dict[str, Any]) -> list[Path]:
    """Returns the tables that the metadata names, all of them beside it.

    Raises:
        BadManifestError: If there are none.
    """
    listed = content.get("distribution")
    entries = [
        one for one in (listed if isinstance(listed, list) else [listed]) if isinstance(one, dict)
    ]
    named = [one.get("contentUrl") for one in entries]
    names = [one for one in named if isinstance(one, str) and Path(one).suffix.lower() in READERS]
    here = [one for one in names if "://" not in one and os.pardir not in PurePosixPath(one).parts]
    found = [place.parent / one for one in here if (place.parent / one).is_file()]
    if found:
        return found
    if names:
        raise BadManifestError(
            f"{place}: its table is not here: {names[0]}", hint="fetch it to where that says"
        )
    raise BadManifestError(f"{place}: it names no table of {', '.join(READERS)}")


def _table_beside(manifest: Manifest, output: Path) -> Path:
    """Returns the table of a set: metadata.csv if it says the same, else a new one."""
    own = output.with_name(f"{output.stem}-table.csv")
    manifest.save(own)
    usual = output.with_name(FILE_NAME)
    if usual.is_file() and sha256(usual) == sha256(own):
        own.unlink()
        return usual
    return own


def _content(manifest: Manifest, table: Path, options: CroissantExport) -> dict[str, Any]:
    names = [PurePosixPath(name) for name in manifest.names]
    if table.parent != manifest.root:
        inner = PurePosixPath(Path(os.path.relpath(manifest.root, table.parent)).as_posix())
        names = [inner / name for name in names]
    suffixes = {name.suffix.lower() for name in names}
    places = {"*/" * (len(name.parts) - 1) + f"*{name.suffix}" for name in names}
    counts = ", ".join(
        f"{one.split}: {one.real} real, {one.fake} fake" for one in manifest.describe()
    )
    with table.open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file))
    text = options.description or f"Faces labelled real and fake; {counts}."
    stated = {
        "license": options.license,
        "url": options.url,
        "creator": {"@type": "sc:Person", "name": options.creator} if options.creator else None,
        "citeAs": options.cite,
        "datePublished": options.published and options.published.isoformat(),
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": options.name or table.parent.resolve().name,
        "description": text,
        "conformsTo": _STANDARD,
        "version": options.version,
        **{name: value for name, value in stated.items() if value},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": _TABLE,
                "name": table.name,
                "contentUrl": table.name,
                "encodingFormat": "text/csv",
                "sha256": sha256(table),
            },
            {
                "@type": "cr:FileSet",
                "@id": _PICTURES,
                "name": _PICTURES,
                "description": "The pictures, below the folder of the table.",
                "encodingFormat": sorted({_TYPES.get(one, "image/*") for one in suffixes}),
                "includes": sorted(places),
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": _RECORDS,
                "name": _RECORDS,
                "description": "A record for each face.",
                "field": [*map(_field, columns), _picture()],
            }
        ],
    }


def _field(column: str) -> dict[str, Any]:
    cell = {"fileObject": {"@id": _TABLE}, "extract": {"column": column}}
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{_RECORDS}/{column}",
        "name": column,
        "description": _ABOUT.get(column, f"The column {column} of the set."),
        "dataType": "sc:Text",
        "source": cell,
    }
    if column == "file_name":  # joins pictures and table; mlcroissant compares texts only
        field["references"] = cell
        field["source"] = {
            "fileSet": {"@id": _PICTURES},
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": "^(.*)$"},
        }
    return field


def _picture() -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{_RECORDS}/picture",
        "name": "picture",
        "description": "The picture itself.",
        "dataType": "sc:ImageObject",
        "source": {"fileSet": {"@id": _PICTURES}, "extract": {"fileProperty": "content"}},
    }
