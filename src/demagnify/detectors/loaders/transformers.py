"""Image classifiers as Hugging Face's transformers saves them: a folder with config.json.

Vision transformers (ViT, DeiT without distillation) are built with timm; all other architectures
need the package transformers, which is asked for files on the disk alone and runs no code of the
folder. The names of the outputs (`id2label`) say which one is fake; preprocessor_config.json says
how pixels are scaled.
"""

from __future__ import annotations

import hashlib
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from demagnify.core import weights
from demagnify.core.artifacts import CARD
from demagnify.core.devices import Precision, pick_device
from demagnify.core.documents import read_json
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.extras import install
from demagnify.core.files import sha256
from demagnify.core.imports import brief
from demagnify.detectors.detector import Detector
from demagnify.detectors.heads import two_names
from demagnify.detectors.loading import LOADERS, Loader
from demagnify.detectors.source import GEOMETRY, MEANING, SCALING, Options
from demagnify.detectors.wrapped import wrap

CONFIG: Final = "config.json"
PROCESSOR: Final = "preprocessor_config.json"
_FILES: Final = ("model.safetensors", "pytorch_model.bin")
_BILINEAR: Final = 2
"""Pillow's number of the filter, as transformers writes it; bicubic is 3."""
_BLOCK: Final = (
    ("layernorm_before", "norm1"),
    ("layernorm_after", "norm2"),
    ("attention.output.dense", "attn.proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
)
_PARTS: Final = {"query": 0, "key": 1, "value": 2}


def is_classifier(folder: Path) -> bool:
    """Whether a folder holds a network of transformers, and is none that demagnify wrote."""
    return (folder / CONFIG).is_file() and not (folder / CARD).exists()


@LOADERS.register("transformers")
class TransformersFolder(Loader):
    """A folder that transformers' `save_pretrained` wrote."""

    def recognizes(self, source: str) -> bool:
        """Whether it is a folder with config.json."""
        return is_classifier(Path(source))

    def load(self, source: str, options: Options, *, device: str, precision: Precision) -> Detector:  # noqa: ARG002
        """Builds the network, in float32."""
        folder = Path(source).resolve()
        options.allow(MEANING | GEOMETRY | SCALING, str(folder))
        config = _document(folder / CONFIG)
        names = config.get("id2label")
        outputs = len(names) if isinstance(names, dict) and names else 2
        if outputs > 2:
            shown = ", ".join(map(str, list(names.values())[:4])) if names else ""
            raise BadConfigError(
                f"{folder} tells {outputs} classes apart ({shown}), a detector two"
            )
        is_vit = config.get("model_type") == "vit"
        network = _vit(config, folder, outputs) if is_vit else _ask(folder)
        meaning = dict(options.meaning)
        if outputs == 2:
            meaning["head"] = meaning["head"] or "two-logit"
            if meaning["fake_index"] is None:
                meaning["labels"] = meaning["labels"] or two_names(names)
        detector = wrap(
            network.float().to(pick_device(device)).eval(),
            name=options.name or folder.name,
            **meaning,
            preprocessing=options.preprocessing(str(folder), **_preprocessing(folder, config)),
        )
        files = sorted(
            path for path in folder.iterdir() if path.name in {*_FILES, CONFIG, PROCESSOR}
        )
        digest = hashlib.sha256("".join(map(sha256, files)).encode())
        detector.identity = digest.hexdigest()
        return detector.eval()


def _document(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise BadArtifactError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadArtifactError(f"{path} holds no JSON object")
    return content


def _preprocessing(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Returns transformers' preprocessing as settings of `Preprocessing`."""
    path = folder / PROCESSOR
    processor = _document(path) if path.is_file() else {}
    size, crop = processor.get("size", config.get("image_size", 224)), processor.get("crop_size")
    settings: dict[str, Any] = {
        "size": _sides(size),
        "interpolation": "bicubic" if processor.get("resample", _BILINEAR) == 3 else "bilinear",
        "range": (0.0, 1.0) if processor.get("do_rescale", True) else (0.0, 255.0),
    }
    if processor.get("do_normalize", True):
        settings |= {key: processor.get(f"image_{key}", (0.5,) * 3) for key in ("mean", "std")}
    edge = size.get("shortest_edge") if isinstance(size, dict) else None
    if edge:
        settings["crop_mode"] = "center"
    if processor.get("do_center_crop") and crop:
        settings["size"] = _sides(crop)
        settings["crop_pct"] = min(1.0, settings["size"][0] / (edge or _sides(size)[0]))
    elif edge and processor.get("crop_pct"):  # as ConvNeXt's
        settings["crop_pct"] = processor["crop_pct"] if edge < 384 else 1.0
        settings["crop_mode"] = "center" if edge < 384 else "squash"
    return settings


def _sides(size: Any) -> tuple[Any, Any]:  # noqa: ANN401  whatever a file holds
    if isinstance(size, dict):
        edge = size.get("shortest_edge", 224)
        return size.get("height", edge), size.get("width", edge)
    return tuple(size) if isinstance(size, list) else (size, size)


def _vit(config: dict[str, Any], folder: Path, outputs: int) -> nn.Module:
    """Builds a vision transformer with timm."""
    from timm.models.vision_transformer import VisionTransformer

    file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if file is None:
        raise BadArtifactError(f"{folder} holds neither {' nor '.join(_FILES)}")
    tensors = _timm_names(weights.read(file))
    width = config.get("hidden_size", 768)
    try:
        network = VisionTransformer(
            img_size=config.get("image_size", 224),
            patch_size=config.get("patch_size", 16),
            num_classes=outputs,
            embed_dim=width,
            depth=config.get("num_hidden_layers", 12),
            num_heads=config.get("num_attention_heads", 12),
            mlp_ratio=config.get("intermediate_size", 4 * width) / width,
            qkv_bias=config.get("qkv_bias", True),
            norm_layer=partial(nn.LayerNorm, eps=config.get("layer_norm_eps", 1e-12)),
        )
        network.load_state_dict(tensors)
    except (RuntimeError, TypeError, AssertionError, ValueError, ZeroDivisionError) as error:
        raise BadArtifactError(
            f"{folder}: weights and {CONFIG} do not fit: {brief(error)}"
        ) from error
    if config.get("hidden_act", "gelu") != "gelu":
        raise BadArtifactError(f"{folder} has the activation {config['hidden_act']!r}, not gelu")
    return network


def _timm_names(tensors: weights.Weights) -> weights.Weights:
    """Returns a vision transformer's weights under timm's names."""
    named: weights.Weights = {}
    joined: dict[str, list[torch.Tensor]] = {}
    for key, value in tensors.items():
        name = key.removeprefix("vit.").replace(
            "embeddings.patch_embeddings.projection", "patch_embed.proj"
        )
        name = name.replace("embeddings.cls_token", "cls_token")
        name = name.replace("embeddings.position_embeddings", "pos_embed")
        name = name.replace("encoder.layer.", "blocks.").replace("classifier.", "head.")
        name = "norm." + name.removeprefix("layernorm.") if name.startswith("layernorm.") else name
        part = next((one for one in _PARTS if f"attention.attention.{one}." in name), None)
        if part:
            whole = name.replace(f"attention.attention.{part}", "attn.qkv")
            joined.setdefault(whole, [value] * 3)[_PARTS[part]] = value
            continue
        for old, new in _BLOCK:
            if f".{old}." in name:
                name = name.replace(old, new)
                break
        named[name] = value
    return named | {key: torch.cat(three) for key, three in joined.items()}


def _ask(folder: Path) -> nn.Module:
    """Lets transformers build the network from the folder alone."""
    try:
        package: Any = import_module("transformers")
    except ImportError as error:
        raise BadConfigError(
            f"{folder} holds a network of transformers that timm does not build",
            hint=install("transformers"),
        ) from error
    try:
        network: nn.Module = package.AutoModelForImageClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, dtype=torch.float32
        )
    except Exception as error:  # whatever its many loaders raise
        raise BadArtifactError(f"{folder} cannot be loaded: {brief(error)}") from error
    return network
