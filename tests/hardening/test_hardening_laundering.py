"""Laundering in other people's training: torchvision v2, arrays, albumentations' calls, workers."""

import copy
import pickle

import numpy as np
import pytest
import timm
import timm.data
import timm.optim
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from demagnify import FaceDataset, Laundering
from demagnify.core.errors import BadArtifactError, BadConfigError, ImageContractError
from demagnify.hardening.config import SurrogateConfig
from demagnify.hardening.surrogate_training import train_surrogates
from demagnify.transforms.super_resolution.attack import from_callable

PIXELS = np.random.default_rng(0).integers(0, 256, (72, 64, 3), dtype=np.uint8)
TENSOR = torch.from_numpy(PIXELS).permute(2, 0, 1).contiguous()


class Repeated(Dataset):
    """The same image, over and over, laundered."""

    def __init__(self, laundering):
        self.transform = v2.Compose([laundering, v2.Identity()])

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.transform(TENSOR), index


def test_every_kind_of_image_is_laundered_alike():
    laundering = Laundering(p=1.0, seed=3)
    found = laundering(TENSOR)
    assert found.dtype == torch.uint8
    assert found.shape == TENSOR.shape
    assert not torch.equal(found, TENSOR)
    array = found.permute(1, 2, 0).numpy()
    assert (laundering(PIXELS) == array).all()
    assert (np.array(laundering(Image.fromarray(PIXELS))) == array).all()
    assert (laundering(image=PIXELS)["image"] == array).all()
    assert torch.equal(laundering(TENSOR[None])[0], found)
    wrapped = laundering(tv_tensors.Image(TENSOR))
    assert isinstance(wrapped, tv_tensors.Image)
    assert torch.equal(wrapped.as_subclass(torch.Tensor), found)


def test_an_attack_that_is_there_already_may_be_given():
    laundering = Laundering(p=1.0, attacks=["bicubic-x2"])
    assert sorted(laundering.attacks) == sorted(Laundering().attacks)
    assert laundering.attacks[-1] == "bicubic-x2"  # a family of its own: drawn more often


def test_targets_beside_the_image_stay_as_they_are():
    laundering = Laundering(p=1.0)
    boxes = tv_tensors.BoundingBoxes([[1, 2, 9, 9]], format="XYXY", canvas_size=(72, 64))
    sample = {"image": tv_tensors.Image(TENSOR), "boxes": boxes, "label": 1}
    found = v2.Compose([laundering, v2.RandomHorizontalFlip(0.0)])(sample)
    assert not torch.equal(found["image"], TENSOR)
    assert torch.equal(found["boxes"], boxes)
    assert found["label"] == 1
    image, label = v2.Compose([laundering])(Image.fromarray(PIXELS), 0)
    assert image.size == (64, 72)
    assert label == 0
    called = laundering(image=PIXELS, mask=PIXELS, label=1)
    assert called["mask"] is PIXELS
    assert set(called) == {"image", "mask", "label"}


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_so_many_images_are_laundered(p):
    torch.manual_seed(0)
    batch = TENSOR[None, :, :32, :32].repeat(100, 1, 1, 1)
    changed = (Laundering(p=p)(batch) != batch).flatten(1).any(1).float().mean().item()
    assert abs(changed - p) <= (0.12 if 0 < p < 1 else 0.0)


def test_torchs_seed_repeats_a_run_and_draws_go_on():
    laundering = Laundering(p=1.0)
    torch.manual_seed(5)
    first, second = laundering(TENSOR), laundering(TENSOR)
    torch.manual_seed(5)
    assert torch.equal(laundering(TENSOR), first)
    assert not torch.equal(first, second)


def test_an_own_seed_depends_on_nothing_but_the_pixels():
    laundering, other = Laundering(p=1.0, seed=1), Laundering(p=1.0, seed=2)
    torch.manual_seed(0)
    first = laundering(TENSOR)
    torch.manual_seed(1)
    assert torch.equal(laundering(TENSOR), first)
    assert torch.equal(pickle.loads(pickle.dumps(laundering))(TENSOR), first)
    assert torch.equal(copy.deepcopy(laundering)(torch.stack([TENSOR.flip(2), TENSOR]))[1], first)
    assert not torch.equal(other(TENSOR), first)


def test_workers_draw_for_themselves_and_repeatably():
    laundering = Laundering(p=1.0)
    laundering(TENSOR)  # its threads run in this process before the workers fork

    def epoch():
        order = torch.Generator().manual_seed(7)
        loader = DataLoader(Repeated(laundering), batch_size=2, num_workers=2, generator=order)
        return torch.cat([images for images, _ in loader])

    first = epoch()
    assert torch.equal(epoch(), first)
    assert len({image.numpy().tobytes() for image in first}) == 8


def test_surrogates_and_given_attacks_take_part(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (6, 3, 96, 96), dtype=np.uint8)
    photographs = FaceDataset.from_arrays(noise, np.arange(6) % 2)
    config = SurrogateConfig(count=2, steps=1, batch_size=2)
    trained = train_surrogates(
        photographs, config, seed=0, folder=tmp_path / "surrogates", device=torch.device("cpu")
    )
    white = from_callable(
        lambda small: torch.ones_like(small).repeat_interleave(2, 2).repeat_interleave(2, 3),
        scale=2,
        name="white",
    )
    laundering = Laundering(1.0, ["jpeg-50", white], surrogates=tmp_path)
    names = {one.name for one in trained}
    assert names | {"jpeg-50", white.name, "bicubic-x2"} <= set(laundering.attacks)
    batch = TENSOR[None].repeat(24, 1, 1, 1)
    torch.manual_seed(0)
    bright = laundering(batch).float().mean((1, 2, 3)) > 180
    assert 0 < bright.sum() < 12
    with pytest.raises(BadArtifactError, match="no surrogate network"):
        Laundering(surrogates=tmp_path / "surrogates" / "empty")


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA"])
def test_modes_stay(mode):
    image = Image.fromarray(PIXELS).convert(mode)
    if mode.endswith("A"):
        image.putalpha(77)
    found = Laundering(p=1.0)(image)
    assert (found.mode, found.size) == (mode, image.size)
    if mode.endswith("A"):
        assert np.array(found)[..., -1].max() == 77
    assert (np.array(found) != np.array(image)).any()


@pytest.mark.parametrize(
    "wrong", [TENSOR.float() / 255, TENSOR[:1], Image.fromarray(PIXELS).convert("CMYK"), PIXELS / 2]
)
def test_what_is_no_image_is_refused(wrong):
    with pytest.raises(ImageContractError):
        Laundering(p=1.0)(wrong)


def test_wrong_settings_are_refused():
    with pytest.raises(BadConfigError, match="0 to 1"):
        Laundering(p=1.5)
    with pytest.raises(BadConfigError, match="albumentations"):
        Laundering()(TENSOR, image=PIXELS)
    assert "p=0.3" in repr(Laundering())


def train_with_timm(folder, line):
    """timm's training script in short: its data set, loader, transforms, model and optimizer."""
    torch.manual_seed(0)
    dataset = timm.data.create_dataset("", root=str(folder), is_training=True)
    loader = timm.data.create_loader(
        dataset,
        input_size=(3, 64, 64),
        batch_size=4,
        is_training=True,
        use_prefetcher=False,
        num_workers=0,
        no_aug=True,
    )
    line(dataset)
    model = timm.create_model("mobilenetv3_small_050", num_classes=2)
    optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=1e-3)
    before = [one.detach().clone() for one in model.parameters()]
    seen = []
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert loss.isfinite()
        seen.append(images)
    moved = any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    return torch.cat(seen), moved


def test_one_line_adds_it_to_timms_training(tmp_path):
    for label in ("fake", "real"):
        (tmp_path / label).mkdir()
        for number in range(2):
            pixels = np.roll(PIXELS, number, axis=0)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    plain, moved = train_with_timm(tmp_path, lambda _dataset: None)
    laundered, moved_too = train_with_timm(
        tmp_path, lambda dataset: dataset.transform.transforms.insert(0, Laundering(p=1.0))
    )
    assert moved
    assert moved_too
    assert plain.shape == laundered.shape == (4, 3, 64, 64)
    assert len({image.numpy().tobytes() for image in laundered}) == 4
    assert not torch.equal(plain.sort(dim=0).values, laundered.sort(dim=0).values)
