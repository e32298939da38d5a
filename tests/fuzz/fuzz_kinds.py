"""What is fuzzed in one process: each kind makes a case from a generator and reads it.

A case is fine if it is read, or refused by a `DemagnifyError` of one line. What our own checksums
guard must give the old content or be noticed.
"""

import csv
import io
import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import fuzz_mutation as mutation
import numpy as np
import onnx
import pyarrow as pa
import torch
from onnx import TensorProto, helper
from PIL import Image, features
from pyarrow import parquet
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact

from demagnify import detectors
from demagnify.core import array_files, artifacts, documents, images, runs, weights
from demagnify.core.errors import DemagnifyError
from demagnify.core.printing import printable
from demagnify.data import Manifest
from demagnify.transforms import create

Case = Callable[[random.Random, Path], None]
KINDS: dict[str, Case] = {}


def kind(function: Case) -> Case:
    """Registers a kind under its name."""
    KINDS[function.__name__] = function
    return function


class SilentDifferenceError(Exception):
    """Damaged content that was used without a word."""


@cache
def _pictures() -> list[tuple[str, bytes]]:
    pixels = np.random.default_rng(0).integers(0, 256, (17, 23, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    made = []
    ways = [("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "RGBA"), ("PNG", "P")]
    ways += [
        ("PNG", "L"),
        ("PNG", "1"),
        ("TIFF", "RGB"),
        ("TIFF", "L"),
        ("BMP", "RGB"),
        ("WEBP", "RGB"),
    ]
    ways += [("GIF", "P"), ("PPM", "RGB"), ("JPEG2000", "RGB")]
    ways += [("AVIF", "RGB")] if features.check("avif") else []
    for suffix, mode in ways:
        buffer = io.BytesIO()
        image = Image.fromarray(pixels, "RGBA").convert(mode)
        image.save(buffer, suffix, **({"exif": exif} if suffix in ("JPEG", "PNG", "WEBP") else {}))
        made.append((suffix, buffer.getvalue()))
    for depth in (np.uint16, np.float32):
        buffer = io.BytesIO()
        array = pixels[..., 0].astype(depth)
        Image.fromarray(array).save(buffer, "TIFF")
        made.append(("TIFF", buffer.getvalue()))
    return made


@kind
def image(rng: random.Random, folder: Path) -> None:
    """A photograph with damaged bytes."""
    suffix, data = rng.choice(_pictures())
    path = folder / f"a.{suffix.lower()}"
    path.write_bytes(mutation.mutate(data, rng))
    pixels = np.asarray(images.load(path))
    assert pixels.dtype == np.uint8


def _rows(rng: random.Random) -> tuple[list[str], list[list[str]]]:
    pool = [
        "file_name",
        "label",
        "split",
        "group",
        "x",
        "y",
        "w",
        "h",
        "is_fake",
        "label_str",
        "file",
    ]
    head = [
        rng.choice(pool) if rng.random() < 0.9 else mutation.text(rng)
        for _ in range(rng.randint(1, 6))
    ]
    if rng.random() < 0.8:
        head[:2] = ["file_name", "label"]
    good = {
        "file_name": "a.png",
        "label": "real",
        "split": "train",
        "is_fake": "0",
        "x": "1",
        "w": "5",
    }
    rows = [
        [good.get(name, "1") if rng.random() < 0.8 else mutation.text(rng) for name in head]
        for _ in range(rng.randrange(5))
    ]
    return head, rows


@cache
def _faces(folder: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((12, 10, 3), 90, np.uint8)).save(folder / name)


@kind
def table_csv(rng: random.Random, folder: Path) -> None:
    """A table of files and labels, with odd cells, dialects, encodings and bytes."""
    _faces(folder)
    head, rows = _rows(rng)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=rng.choice(",,,;\t|"), quoting=rng.choice((0, 1)))
    writer.writerows([head, *rows])
    encoding = rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    data = buffer.getvalue().encode(encoding, "replace")
    path = folder / "table.csv"
    path.write_bytes(mutation.mutate(data, rng) if rng.random() < 0.4 else data)
    Manifest.load(path)


@kind
def table_json_lines(rng: random.Random, folder: Path) -> None:
    """A table of JSON lines."""
    _faces(folder)
    head, rows = _rows(rng)
    lines = [json.dumps(mutation.changed(dict(zip(head, row, strict=True)), rng)) for row in rows]
    data = "\n".join(lines).encode("utf-8", "replace")
    path = folder / "table.jsonl"
    path.write_bytes(mutation.mutate(data, rng) if rng.random() < 0.3 else data)
    Manifest.load(path)


@kind
def table_parquet(rng: random.Random, folder: Path) -> None:
    """A Parquet file with odd columns or damaged bytes."""
    _faces(folder)
    head, rows = _rows(rng)
    head = list(dict.fromkeys(head))
    columns = {name: [row[number] for row in rows] for number, name in enumerate(head)}
    for name in list(columns):
        match rng.randrange(6):
            case 0:
                columns[name] = pa.array([rng.randbytes(3) for _ in rows], pa.binary())
            case 1:
                columns[name] = pa.array([rng.randrange(3) for _ in rows], pa.int64())
            case 2:  # bytes that are no UTF-8, said to be text
                raw = pa.array([rng.randbytes(3) for _ in rows], pa.binary())
                columns[name] = raw.view(pa.string())
            case _:
                pass
    path = folder / "table.parquet"
    parquet.write_table(pa.table(columns), path)
    if rng.random() < 0.5:
        path.write_bytes(mutation.mutate(path.read_bytes(), rng))
    Manifest.load(path)


@kind
def coco(rng: random.Random, folder: Path) -> None:
    """A COCO file with odd values."""
    _faces(folder)
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 10, "height": 12}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}],
        "categories": [{"id": 1, "name": "fake"}, {"id": 0, "name": "real"}],
    }
    data = json.dumps(mutation.changed(document, rng)).encode("utf-8", "replace")
    path = folder / "coco.json"
    path.write_bytes(mutation.mutate(data, rng) if rng.random() < 0.3 else data)
    Manifest.load(path)


@cache
def _tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2).state_dict()


@cache
def _stored(suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".legacy":
        torch.save({"params_ema": _tensors()}, buffer, _use_new_zipfile_serialization=False)
    else:
        torch.save({"params": _tensors(), "params_ema": _tensors(), "epoch": 3}, buffer)
    return buffer.getvalue()


@kind
def checkpoint(rng: random.Random, folder: Path) -> None:
    """A `.pth` file, as zip or as torch once wrote it, damaged."""
    path = folder / "net.pth"
    path.write_bytes(mutation.mutate(_stored(rng.choice((".pth", ".legacy"))), rng))
    weights.read(path)


@kind
def safetensors(rng: random.Random, folder: Path) -> None:
    """A safetensors file, damaged, as a super-resolution network."""
    path = folder / "net.safetensors"
    save_file(_tensors(), path)
    data = path.read_bytes()
    head = int.from_bytes(data[:8], "little") + 8
    damaged = mutation.mutate(data[:head], rng) + data[head:]
    path.write_bytes(damaged if rng.random() < 0.7 else mutation.mutate(data, rng))
    create(path, device="cpu")


@cache
def _onnx() -> bytes:
    nodes = [helper.make_node("ReduceMean", ["images", "axes"], ["scores"], keepdims=0)]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ("n", 3, 8, 8))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ("n",))],
        [helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.helper.set_model_props(model, {"names": "[real, fake]"})
    return model.SerializeToString()


@kind
def onnx_file(rng: random.Random, folder: Path) -> None:
    """An ONNX file as a detector, loaded and run."""
    path = folder / "net.onnx"
    path.write_bytes(mutation.mutate(_onnx(), rng))
    options = {"range": [0, 1]}
    detector = detectors.load_detector(path, device="cpu", threads=1, **options)
    detector.logits(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


PARAM = """7767517
3 3
Input            input.1  0 1 data
Convolution      Conv_0   1 1 data 1 0=12 1=1 4=0 5=1 6=36
PixelShuffle     Shuffle  1 1 1 output 0=2
"""


@kind
def ncnn(rng: random.Random, folder: Path) -> None:
    """A pair of ncnn files."""
    numbers = np.zeros(48, dtype="<f4").tobytes()
    param, data = PARAM.encode(), b"\0\0\0\0" + numbers
    if rng.random() < 0.6:
        param = mutation.mutate(param, rng)
    else:
        data = mutation.mutate(data, rng)
    (folder / "net.param").write_bytes(param)
    (folder / "net.bin").write_bytes(data)
    create(folder / "net.param", device="cpu")


@kind
def card(rng: random.Random, folder: Path) -> None:
    """A detector's folder with a damaged card or damaged weights."""
    place = folder / "detector"
    if not place.exists():
        made = detectors.create("test_efficientnet", input_size=32, device="cpu")
        made.save(place, {})
        (folder / "card.json").write_bytes((place / "card.json").read_bytes())
        (folder / "weights").write_bytes((place / "weights.safetensors").read_bytes())
    whole = (folder / "card.json").read_bytes()
    path, good = place / "weights.safetensors", (folder / "weights").read_bytes()
    path.write_bytes(good)
    (place / "card.json").write_bytes(whole)
    if rng.random() < 0.3:
        damaged = mutation.mutate(good, rng)
        path.write_bytes(damaged)
        detectors.load_detector(place, device="cpu")
        if damaged != good:
            raise SilentDifferenceError("damaged weights were loaded")
    document = json.dumps(mutation.changed(json.loads(whole), rng)).encode("utf-8", "replace")
    (place / "card.json").write_bytes(
        mutation.mutate(whole, rng) if rng.random() < 0.4 else document
    )
    detectors.load_detector(place, device="cpu")


@kind
def training_state(rng: random.Random, folder: Path) -> None:
    """A training state: every damaged byte is noticed."""
    path, copy = folder / "state.safetensors", folder / "whole"
    if not copy.exists():
        artifacts.save_state(copy, {"a": torch.arange(40.0)}, {"epoch": 3, "name": "x"})
    good = copy.read_bytes()
    damaged = mutation.mutate(good, rng)
    path.write_bytes(damaged)
    tensors, state = artifacts.load_state(path)
    same = torch.equal(tensors["a"], torch.arange(40.0)) and state == {"epoch": 3, "name": "x"}
    if not same:
        raise SilentDifferenceError("a damaged training state was loaded")


@kind
def array(rng: random.Random, folder: Path) -> None:
    """An array of a run and its note: damaged rows are cut off."""
    path, note = folder / "rows.npy", folder / "rows.json"
    rows = np.arange(1100 * 3, dtype=np.int64).reshape(1100, 3)
    if not (folder / "kept.npy").exists():
        with array_files.ArrayFile(path, (3,), np.int64).writing() as writer:
            writer.append(rows)
            writer.finish()
        (folder / "kept.npy").write_bytes(path.read_bytes())
        (folder / "kept.json").write_bytes(note.read_bytes())
    path.write_bytes((folder / "kept.npy").read_bytes())
    note.write_bytes((folder / "kept.json").read_bytes())
    target = rng.choice((path, path, note))
    target.write_bytes(mutation.mutate(target.read_bytes(), rng))
    found = array_files.ArrayFile(path, (3,), np.int64)
    if not np.array_equal(found.rows(), rows[: found.count]):
        raise SilentDifferenceError("damaged rows were read")


@kind
def journal(rng: random.Random, folder: Path) -> None:
    """A journal: a damaged line counts as not written."""
    path = folder / "journal.jsonl"
    path.unlink(missing_ok=True)
    items = {f"name {number}": {"value": number} for number in range(20)}
    with runs.Journal(path) as made:
        for name, item in items.items():
            made.add(name, item)
    path.write_bytes(mutation.mutate(path.read_bytes(), rng))
    with runs.Journal(path) as read:
        for name, item in read.items():
            if items.get(name) != item:
                raise SilentDifferenceError(f"a damaged line of a journal was read: {name}")


def refusal(read: Callable[[object], object], given: object) -> str:
    """What a reader says against a document; empty if it takes it."""
    try:
        read(given)
    except ValueError as error:
        return str(error)
    return ""


@kind
def json_document(rng: random.Random, folder: Path) -> None:
    """A JSON or YAML document of any content, and options of a detector."""
    data = json.dumps(mutation.value(rng)).encode("utf-8", "replace")
    path = folder / "any.json"
    path.write_bytes(mutation.mutate(data, rng) if rng.random() < 0.7 else data)
    assert "\n" not in refusal(documents.read_json, path)
    assert "\n" not in refusal(documents.parse_yaml, path.read_bytes().decode("latin-1"))
    detectors.load_detector(str(path), device="cpu")


@kind
def name(rng: random.Random, folder: Path) -> None:
    """A name on a terminal."""
    shown = printable("".join(mutation.text(rng) for _ in range(4)))
    assert not any(ord(one) < 32 or 0x7F <= ord(one) < 0xA0 for one in shown)


def run(which: str, seed: int, number: int, folder: Path) -> str:
    """Runs one case and returns its outcome: "read", "refused", or what is wrong in words."""
    rng = random.Random(f"{seed} {which} {number}")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        KINDS[which](rng, folder)
    except DemagnifyError as error:
        lines = str(error).splitlines()
        return "refused" if len(lines) <= 1 else f"more than one line: {str(error)[:200]!r}"
    except SilentDifferenceError as error:
        return f"silent: {error}"
    except Exception as error:  # noqa: BLE001  what is looked for
        return f"traceback: {type(error).__name__}: {str(error)[:200]!r}"
    return "read"


import fuzz_colours  # noqa: E402, F401  more kinds
