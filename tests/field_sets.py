"""Tiny data sets, true to the form in which the field keeps them."""

import json

import cv2
import numpy as np

from demagnify.core import images

CATEGORIES = [{"id": 0, "name": "Real"}, {"id": 1, "name": "Fake"}]
FF_SPLITS = {"train": [["000", "003"]], "val": [["001", "870"]], "test": [["002", "005"]]}


def picture(seed, width=96, height=64):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def coco(photos=4, faces=3, folder="Images/Train", **changes):
    """The content of an annotation file: photographs with real and fake faces side by side."""
    entries = [
        {"id": n, "file_name": f"{folder}/photo-{n}.png", "width": 96, "height": 64}
        for n in range(photos)
    ]
    annotations = [
        {
            "id": n * faces + k,
            "image_id": n,
            "category_id": k % 2,
            "bbox": [2 + 30 * k, 10, 20, 24],
            "segmentation": [[2.5, 10.5, 12.5, 34.5, 22.5, 10.5]],
            "area": 480,
            "iscrowd": 0,
        }
        for n in range(photos)
        for k in range(faces)
    ]
    content = {"categories": CATEGORIES, "images": entries, "annotations": annotations}
    return {**content, **changes}


def open_forensics(root, splits=("Train",), photos=4):
    """Writes the JSON files and photographs of OpenForensics; returns the folder."""
    for number, split in enumerate(splits):
        content = coco(photos, folder=f"Images/{split}")
        write_json(root / f"{split}_poly.json", content)
        for entry in content["images"]:
            images.save_png(root / entry["file_name"], picture(100 * number + entry["id"]))
    return root


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def video(path, frames=12, width=96, height=64):
    """Writes a video in which frame n is a flat grey of 10 + 15 n."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (width, height))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(np.full((height, width, 3), grey(number), dtype=np.uint8))
    writer.release()
    return path


def grey(number):
    return 10 + 15 * number


def face_forensics(root, *, methods=("Deepfakes", "FaceSwap"), splits=True, frames=12):
    """Writes FaceForensics++ in its official layout, with three pairs of videos."""
    pairs = [pair for listed in FF_SPLITS.values() for pair in listed]
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            video(root / f"original_sequences/youtube/c23/videos/{one}.mp4", frames)
            for method in methods:
                name = f"manipulated_sequences/{method}/c23/videos/{one}_{other}.mp4"
                video(root / name, frames)
    if splits:
        for name, listed in FF_SPLITS.items():
            write_json(root / f"splits/{name}.json", listed)
    return root


def deepfake_bench(root, *, separator="\\", prefix="FaceForensics++"):
    """Writes FF-DF.json as DeepfakeBench has it, and the frames; returns the JSON file."""
    content = {"FF-real": {}, "FF-DF": {}}
    for split, listed in FF_SPLITS.items():
        for one, other in listed:
            for label, names in (
                ("FF-real", [one, other]),
                ("FF-DF", [f"{one}_{other}", f"{other}_{one}"]),
            ):
                videos = content[label].setdefault(split, {}).setdefault("c23", {})
                for name in names:
                    files = [f"{prefix}/{label}/c23/frames/{name}/{n:03d}.png" for n in range(3)]
                    for seed, file in enumerate(files):
                        images.save_png(root / "rgb" / file, picture(seed, 32, 32))
                    listed_files = [file.replace("/", separator) for file in files]
                    videos[name] = {"label": label, "frames": listed_files}
    return write_json(root / "dataset_json/FF-DF.json", {"FF-DF": content})
