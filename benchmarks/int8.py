"""Measures what the shipped default would lose, and gain, in 8-bit integers.

ONNX Runtime's static quantization of its convolutions and matrix products, with ranges from faces
of the split train. Example (DATA holds the data sets):

    python benchmarks/int8.py DATA --faces 300
    python benchmarks/int8.py DATA --faces 300 --fold
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime import quantization as q
from onnxruntime.quantization.shape_inference import quant_pre_process
from sklearn.metrics import roc_auc_score

from demagnify.data import Manifest
from demagnify.data.dataset import FaceDataset
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import subsample
from demagnify.evaluation.machine import describe_machine
from demagnify.inference.runtime import find_onnx, load_runtime

SETS: Final = ("dfdc224", "ff128")
RANGES: Final = 100
"""Faces of each set from which the ranges of numbers come."""


class _Faces(q.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, sets: list[FaceDataset]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = (
            batch.numpy() for faces in sets for _, batch in faces.batches(10)
        )

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def main() -> None:
    """Quantizes, classifies and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the data sets")
    parser.add_argument("--faces", type=int, default=300, help="validation faces of each set")
    parser.add_argument("--fold", action="store_true", help="fold BatchNorm into weights first")
    options = parser.parse_args()
    size = load_runtime("default").input_size
    train, val = (
        [_faces(options.data / name, split, count, size) for name in SETS]
        for split, count in (("train", RANGES), ("val", options.faces))
    )
    with tempfile.TemporaryDirectory() as temporary:
        whole, small = Path(temporary) / "float32.onnx", Path(temporary) / "int8.onnx"
        place = find_onnx("default")
        assert place is not None
        model = onnx.load(place[0], load_external_data=False)
        onnx.load_external_data_for_model(model, str(place[1]))
        onnx.save(model, whole)
        ready = whole
        if options.fold:
            ready = Path(temporary) / "folded.onnx"
            quant_pre_process(whole, ready, skip_symbolic_shape=True)
        q.quantize_static(
            ready,
            small,
            _Faces(train),
            quant_format=q.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
        )
        print(
            "| data | faces | AUC float32 | AUC int8 | mean change of the logit | verdicts flip |"
        )
        print("|---|--:|--:|--:|--:|--:|")
        seconds = dict.fromkeys((whole, small), 0.0)
        for name, faces in zip(SETS, val, strict=True):
            logits = {}
            for path in (whole, small):
                logits[path], spent = _logits(path, faces)
                seconds[path] += spent
            one, other = logits[whole], logits[small]
            limit = load_runtime("default").threshold
            print(
                f"| {name} | {len(faces)} | {roc_auc_score(faces.labels, one):.4f} "
                f"| {roc_auc_score(faces.labels, other):.4f} | {np.abs(one - other).mean():.2f} "
                f"| {((one > limit) != (other > limit)).mean():.1%} |"
            )
        for path in (whole, small):
            speed = sum(map(len, val)) / seconds[path]
            print(f"{path.stem}: {path.stat().st_size / 1e6:.1f} MB, {speed:.1f} faces/s")
    print(f"\none thread, {describe_machine('cpu').processor}")


def _faces(folder: Path, split: str, count: int, size: int) -> FaceDataset:
    return open_faces(subsample(Manifest.load(folder).split(split), count, seed=0), size=size)


def _logits(path: Path, faces: FaceDataset) -> tuple[NDArray[np.float32], float]:
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level, settings.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    found, start = [], time.process_time()
    for _, batch in faces.batches(16):
        found.append(session.run(["logits"], {"images": batch.numpy()})[0])
    return np.concatenate(found), time.process_time() - start


if __name__ == "__main__":
    main()
