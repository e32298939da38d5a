"""Files of many architectures become attacks: random weights, small layers."""

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.DAT import DAT
from spandrel.architectures.DRUNet import DRUNet
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.FFTformer import FFTformer
from spandrel.architectures.IPT import IPT
from spandrel.architectures.MMRealSR import MMRealSR
from spandrel.architectures.MoSR import MoSR
from spandrel.architectures.NAFNet import NAFNet
from spandrel.architectures.OmniSR import OmniSR
from spandrel.architectures.PLKSR import RealPLKSR
from spandrel.architectures.RCAN import RCAN
from spandrel.architectures.RealCUGAN import UpCunet4x
from spandrel.architectures.SAFMN import SAFMN
from spandrel.architectures.SeemoRe import SeemoRe
from spandrel.architectures.SPAN import SPAN
from spandrel.architectures.Swin2SR import Swin2SR
from spandrel.architectures.SwinIR import SwinIR
from torch import nn

from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.transforms import create
from demagnify.transforms.super_resolution import edsr
from demagnify.transforms.super_resolution.network import FaceRestorer, Seeded

SHUFFLED = {"upscale": 2, "upsampler": "pixelshuffledirect"}
WINDOWS = {"embed_dim": 16, "depths": [1], "num_heads": [2], "window_size": 8, **SHUFFLED}
ARCHITECTURES = {
    "Compact": (4, lambda: Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=4)),
    "ESRGAN": (4, lambda: ESRGAN(in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=4)),
    "RCAN": (2, lambda: RCAN(scale=2, n_resgroups=1, n_resblocks=1, n_feats=16)),
    "SPAN": (2, lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2)),
    "MoSR": (2, lambda: MoSR(n_block=2, dim=16, upscale=2)),
    "SAFMN": (2, lambda: SAFMN(dim=16, n_blocks=2, upscaling_factor=2)),
    "RealPLKSR": (2, lambda: RealPLKSR(dim=16, n_blocks=2, upscaling_factor=2)),
    "OmniSR": (2, lambda: OmniSR(num_feat=16, up_scale=2)),
    "RealCUGAN": (4, lambda: UpCunet4x()),
    "SwinIR": (2, lambda: SwinIR(**WINDOWS)),
    "Swin2SR": (2, lambda: Swin2SR(**WINDOWS)),
    "DAT": (
        2,
        lambda: DAT(
            embed_dim=16,
            depth=[1],
            num_heads=[2],
            split_size=[4, 8],
            expansion_factor=2.0,
            **SHUFFLED,
        ),
    ),
    "NAFNet": (
        1,
        lambda: NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]),
    ),
    "SeemoRe": (2, lambda: SeemoRe(scale=2, num_experts=3, num_layers=2, embedding_dim=12)),
    "DRUNet": (1, lambda: DRUNet(in_nc=4, out_nc=3, nc=[8, 8, 8, 8], nb=2)),
    "FFTformer": (
        1,
        lambda: FFTformer(dim=8, num_blocks=[1, 1, 1], num_refinement_blocks=1),
    ),
    "IPT": (2, lambda: IPT(scale=[2], num_layers=1, n_feats=8)),
    "EDSR-x2": (2, lambda: edsr.EDSR(2, 16, 2)),
    "EDSR-x3": (3, lambda: edsr.EDSR(2, 16, 3)),
    "EDSR-x4": (4, lambda: edsr.EDSR(2, 16, 4)),
}


def pictures() -> torch.Tensor:
    """Sides that are multiples of nothing."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 67, 83), generator=generator).to(torch.uint8)


FILES = [(name, ".pth") for name in ARCHITECTURES]
FILES += [(name, form) for name in ("Compact", "EDSR-x2") for form in (".pt", ".safetensors")]


@pytest.mark.parametrize(("name", "form"), FILES)
def test_a_file_of_the_architecture_makes_an_attack(tmp_path, name, form):
    torch.manual_seed(0)
    scale, make = ARCHITECTURES[name]
    path = tmp_path / f"{name}{form}"
    if form == ".safetensors":
        save_file(make().state_dict(), path)
    else:
        torch.save({"params_ema": make().state_dict()}, path)
    attack = create(path, device="cpu", precision="float32")
    assert (attack.name, attack.scale) == (name, scale)
    images = pictures()
    attacked = attack(images)
    assert attacked.shape == images.shape
    alone = torch.cat([attack(image[None]) for image in images])
    assert (alone.int() - attacked.int()).abs().max() <= 1
    if name == "DRUNet":  # its code gets a map of the noise as well
        return
    fed = create(f"{path}@bgr-255", device="cpu")
    assert fed(images[:1]).shape == images[:1].shape


def test_a_network_that_gives_more_than_an_image_is_fed_in_one_way_only(tmp_path):
    network = MMRealSR(num_in_ch=3, num_out_ch=3, num_feat=16, num_block=1, num_grow_ch=8)
    torch.save(network.state_dict(), tmp_path / "mm.pth")
    images = pictures()[:1, :, :40, :40]
    assert create(tmp_path / "mm.pth", device="cpu")(images).shape == images.shape
    with pytest.raises(BadConfigError, match="cannot be fed"):
        create(f"{tmp_path / 'mm.pth'}@bgr-255", device="cpu")(images)


def _basicsr(weights: dict[str, torch.Tensor], blocks: int) -> dict[str, torch.Tensor]:
    """The authors' names of EDSR's layers turned into BasicSR's."""
    table = {"head.0": "conv_first", f"body.{blocks}": "conv_after_body", "tail.1": "conv_last"}
    renamed = {}
    for key, value in weights.items():
        layer, part = key.rsplit(".", 1)
        layer = table.get(layer, layer)
        layer = layer.replace("tail.0.", "upsample.")
        layer = layer.replace(".body.0", ".conv1").replace(".body.2", ".conv2")
        renamed[f"{layer}.{part}"] = value
    return renamed


def test_edsr_is_read_under_all_its_names(tmp_path):
    torch.manual_seed(0)
    network = edsr.EDSR(2, 16, 4).eval()
    weights = network.state_dict()
    shift = {"sub_mean.weight": torch.eye(3)[..., None, None], "sub_mean.bias": torch.zeros(3)}
    torch.save({**weights, **shift}, tmp_path / "authors.pt")
    torch.save({"params": _basicsr(weights, 2)}, tmp_path / "basicsr.pth")
    images = pictures()
    results = [
        create(tmp_path / name, device="cpu")(images) for name in ("authors.pt", "basicsr.pth")
    ]
    assert torch.equal(*results)
    image = torch.rand(1, 3, 10, 12)
    assert network(image).shape == (1, 3, 40, 48)


def test_edsr_with_a_layer_missing_is_refused(tmp_path):
    weights = edsr.EDSR(2, 16, 2).state_dict()
    del weights["body.1.body.2.bias"]
    torch.save(weights, tmp_path / "mine.pth")
    with pytest.raises(BadArtifactError, match="fit no EDSR of scale 2"):
        create(tmp_path / "mine.pth")


def test_weights_of_a_classifier_are_refused(tmp_path):
    import timm

    weights = timm.create_model("resnet10t", pretrained=False).state_dict()
    for form in (".pth", ".safetensors"):
        path = tmp_path / f"classifier{form}"
        save_file(weights, path) if form == ".safetensors" else torch.save(weights, path)
        with pytest.raises(BadArtifactError, match="no super-resolution network") as caught:
            create(path)
        assert "\n" not in str(caught.value)


def test_a_program_is_not_run(tmp_path):
    torch.jit.script(nn.Conv2d(3, 3, 1)).save(str(tmp_path / "program.pt"))
    with pytest.raises(BadArtifactError, match=r"torch\.jit\.load") as caught:
        create(tmp_path / "program.pt")
    assert "\n" not in str(caught.value)


class Noisy(nn.Module):
    """Adds noise of its own, as GFPGAN does; works at one size only."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape == (1, 3, 512, 512)
        return images + 0.2 * torch.randn_like(images)


def test_a_face_restorer_sees_each_face_alone_and_gives_it_the_same_result():
    restorer = FaceRestorer(Seeded(Noisy()))
    faces = torch.rand(2, 3, 60, 64)
    before = torch.get_rng_state()
    restored = restorer(faces)
    assert restored.shape == faces.shape
    assert torch.equal(restorer(faces[1:]), restored[1:])
    assert torch.equal(torch.get_rng_state(), before), "the global generator was moved"
