"""timm networks with weights that were trained to tell real from fake, as "timm:NAME"."""

from __future__ import annotations

import torch
from torch import nn

from demagnify.core import weights
from demagnify.core.devices import Precision, pick_device
from demagnify.core.errors import BadConfigError
from demagnify.detectors import backbones, pretrained
from demagnify.detectors.detector import Detector
from demagnify.detectors.heads import Head, make_head
from demagnify.detectors.loading import LOADERS, Loader
from demagnify.detectors.preprocessing import Preprocessing
from demagnify.detectors.source import GEOMETRY, MEANING, Options


@LOADERS.register("timm")
class TimmCheckpoint(Loader):
    """A timm network with a checkpoint.

    Size, scaling, interpolation and crop are timm's own for the network, as
    `timm.data.resolve_model_data_config` gives them, where no option says otherwise.
    """

    external = False

    def load(self, source: str, options: Options, *, device: str, precision: Precision) -> Detector:
        """Builds the network and loads its weights."""
        spec = f"timm:{source}"
        name = backbones.timm_name(source)
        options.allow(MEANING | GEOMETRY | {"mean", "std", "weights"}, spec)
        if options.weights is None:
            raise BadConfigError(
                f"{spec} alone is a classifier of ImageNet's things, and no detector",
                hint=f"write {spec}@weights=FILE, or train one: "
                f"demagnify train-detector --backbone {source}",
            )
        chosen = options.preprocessing(spec, **backbones.preprocessing(name))
        size = _square(chosen, spec)
        label = options.name or options.weights.stem
        network = backbones.build(name, input_size=size)
        tensors = pretrained.fitting(weights.read(options.weights), network, options.weights)
        head = _checkpoint_head(network, tensors, options, label)
        if head.outputs > 1:
            network = backbones.build(name, input_size=size, outputs=head.outputs)
        pretrained.check_fit(network.state_dict(), tensors, options.weights)
        network.load_state_dict(tensors, strict=False)
        detector = Detector(
            network,
            name=label,
            backbone=name,
            input_size=size,
            mean=chosen.mean,
            std=chosen.std,
            threshold=head.threshold(options.threshold),
            precision=precision,
            interpolation=chosen.interpolation,
            crop_pct=chosen.crop_pct,
            crop_mode=chosen.crop_mode,
            head=head,
        )
        return detector.to(pick_device(device)).eval()


def _square(chosen: Preprocessing, spec: str) -> int:
    height, width = chosen.size or (0, 0)
    if height != width:
        raise BadConfigError(
            f"{spec} takes images of {height} x {width} pixels; only square ones can be given",
            hint="export it as ONNX",
        )
    return height


def _checkpoint_head(
    network: nn.Module, tensors: dict[str, torch.Tensor], options: Options, label: str
) -> Head:
    """The head of a checkpoint, which must have as many outputs as its last layer."""
    # Without a last layer it fits no network, which is told when it is loaded.
    outputs = pretrained.outputs_of(network, tensors) or 1
    if outputs > 2:
        raise BadConfigError(
            f"{options.weights} tells {outputs} classes apart, and a detector two",
            hint="to start a training from it: demagnify train-detector --weights FILE",
        )
    if outputs == 2 and options.head is None:
        raise BadConfigError(
            f"{options.weights} has two outputs, and nothing says which one is fake",
            hint="write head=two-logit and fake_index=1 if the second is (0 if the first is)",
        )
    head = make_head(
        options.head, fake_index=options.fake_index, labels=options.labels, detector=label
    )
    if head.outputs != outputs:
        raise BadConfigError(
            f"{options.weights} has {outputs} output{'s' * (outputs > 1)}, but head={head.name} "
            f"needs {head.outputs}"
        )
    return head
