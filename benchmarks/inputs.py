"""(a) and (b): images and SimCLR views per second, from stored pixels to normalised batches."""

import numpy as np
import torch
import torchvision.transforms as pil
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from benchmarks.compare import Contender, Section, installed, interleave, missing, table
from labkit import transforms
from labkit.data.batches import Batches
from labkit.data.splits import Split

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
BATCH = 512


class PerSample(torch.utils.data.Dataset):
    """What courses write: an image is opened and transformed when it is asked for."""

    def __init__(self, images: torch.Tensor, transform, *, pil_image: bool):
        self.images = images.permute(0, 2, 3, 1).contiguous().numpy() if pil_image else images
        self.labels, self.transform, self.pil_image = np.zeros(len(images), int), transform, pil_image

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int):
        image = Image.fromarray(self.images[number]) if self.pil_image else self.images[number]
        return self.transform(image), self.labels[number]


def random_images(count: int, size: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def supervised_pipeline(repeats: int, quick: bool) -> Section:
    """Crop with a padding of 4, flip, normalise: what ResNets are trained with on CIFAR."""
    few, many = (BATCH, 4 * BATCH) if quick else (4 * BATCH, 98 * BATCH)
    images = random_images(many)
    old = pil_crop()
    new = v2.Compose(
        [
            v2.RandomCrop(32, padding=4),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    contenders = [
        loaded("PIL per sample, DataLoader, 0 workers", images[:few], old, pil_image=True),
        loaded("PIL per sample, DataLoader, 2 workers", images[: 4 * few], old, pil_image=True, workers=2),
        loaded("torchvision v2 per sample, on tensors", images[:few], new, pil_image=False),
        *kornia_supervised(images[: 4 * few]),
        labkit_epoch("labkit Batches, default", images, transforms.supervised(32)),
        labkit_epoch("labkit Batches, channels last", images, transforms.supervised(32), channels_last=True),
        plainest(images),
    ]
    seconds = interleave(contenders, repeats=repeats)
    rows = table(contenders, seconds, unit="images/s", against=contenders[0].name)
    return Section(
        "inputs",
        "Supervised input pipeline: 32 px, crop (padding 4), flip, normalise",
        rows,
        [
            f"Batches of {BATCH}. PIL rounds handle {few:,} images ({4 * few:,} with workers, which stay alive), "
            f"labkit's a whole epoch of {many:,}, its shuffle included.",
            "The last row neither crops nor flips, but makes its temporaries anew for each batch.",
        ],
    )


def simclr_views(repeats: int, quick: bool) -> Section:
    """One SimCLR view with colour distortion of strength 1, without and with blur."""
    few, many = (BATCH // 2, 2 * BATCH) if quick else (2 * BATCH, 20 * BATCH)
    images = random_images(many)
    contenders = [
        loaded("torchvision on PIL, per sample", images[:few], pil_view(blur=False), pil_image=True),
        loaded("torchvision on PIL, per sample, blur", images[:few], pil_view(blur=True), pil_image=True),
        loaded("torchvision v2 per sample, on tensors, blur", images[:few], v2_view(), pil_image=False),
        kornia_view(images[: 2 * few]),
        lightly_views(images[:few]),
        labkit_epoch("labkit Batches, views=2", images, transforms.simclr_view(32), views=2),
        labkit_epoch("labkit Batches, views=2, blur", images, transforms.simclr_view(32, blur=True), views=2),
    ]
    seconds = interleave(contenders, repeats=repeats)
    rows = table(contenders, seconds, unit="views/s", against=contenders[1].name)
    title = "SimCLR views: 32 px, crop and resize, flip, jitter, grayscale (blur: half of them)"
    return Section(
        "views",
        title,
        rows,
        [
            f"Ratios are to torchvision on PIL with blur. Per-sample rounds handle {few:,} images; labkit's and "
            "lightly's give two views of each.",
            "Every peer draws parameters per image here; a v2 transform called on a whole batch would "
            "give every image the same ones, which is faster and wrong.",
        ],
    )


def pil_crop():
    """Return what course notebooks do to each image of CIFAR."""
    return pil.Compose(
        [pil.RandomCrop(32, padding=4), pil.RandomHorizontalFlip(), pil.ToTensor(), pil.Normalize(MEAN, STD)]
    )


def loaded(name: str, images, transform, *, pil_image: bool, workers: int = 0, views: int = 1) -> Contender:
    """Return one pass of a DataLoader; workers live through all passes."""
    loader = DataLoader(
        PerSample(images, transform, pil_image=pil_image),
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def run():
        for _ in loader:
            pass

    return Contender(name, run, views * len(images))


def labkit_epoch(name: str, images, view, *, views: int = 1, channels_last: bool = False) -> Contender:
    split = Split(images, torch.zeros(len(images), dtype=torch.long), "random")
    layout = {"mean": MEAN, "std": STD, "channels_last": channels_last}
    batches = Batches(split, BATCH, augment=view, views=views, drop_last=False, **layout)
    epochs = iter(range(10**6))

    def run():
        for _ in batches.epoch(next(epochs)):
            pass

    return Contender(name, run, views * len(images))


def plainest(images) -> Contender:
    """Return what three plain lines do: gather and normalise, without crop and flip."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))

    def run():
        for rows in torch.randperm(len(images)).split(BATCH):
            (images[rows].float() / 255 - mean) / std

    return Contender("x[rows] / 255, normalised, nothing more", run, len(images))


def kornia_supervised(images) -> list[Contender]:
    names = {mode: f"kornia on batches, {mode}" for mode in ("slice", "resample")}
    if not installed("kornia"):
        return [missing(name, "kornia") for name in names.values()]
    import kornia.augmentation as K

    return [
        in_batches(
            name,
            images,
            torch.nn.Sequential(
                K.RandomCrop((32, 32), padding=4, cropping_mode=mode),
                K.RandomHorizontalFlip(),
                K.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
            ),
        )
        for mode, name in names.items()
    ]


def kornia_view(images) -> Contender:
    name = "kornia on batches, blur"
    if not installed("kornia"):
        return missing(name, "kornia")
    import kornia.augmentation as K

    return in_batches(
        name,
        images,
        torch.nn.Sequential(
            K.RandomResizedCrop((32, 32), scale=(0.08, 1.0)),
            K.RandomHorizontalFlip(),
            K.ColorJitter(0.8, 0.8, 0.8, 0.2, p=0.8),
            K.RandomGrayscale(p=0.2),
            K.RandomGaussianBlur((3, 3), (0.1, 2.0), p=0.5),
            K.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
        ),
    )


def in_batches(name: str, images, transform) -> Contender:
    def run():
        with torch.no_grad():
            for rows in torch.randperm(len(images)).split(BATCH):
                transform(images[rows].float() / 255)

    return Contender(name, run, len(images))


def lightly_views(images) -> Contender:
    name = "lightly SimCLRTransform, both views, blur"
    if not installed("lightly"):
        return missing(name, "lightly")
    from lightly.transforms import SimCLRTransform

    transform = SimCLRTransform(input_size=32, gaussian_blur=0.5, normalize={"mean": list(MEAN), "std": list(STD)})
    return loaded(name, images, transform, pil_image=True, views=2)


def pil_view(*, blur: bool):
    blurs = [pil.RandomApply([pil.GaussianBlur(3, (0.1, 2.0))], 0.5)] if blur else []
    return pil.Compose(
        [
            pil.RandomResizedCrop(32),
            pil.RandomHorizontalFlip(),
            pil.RandomApply([pil.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8),
            pil.RandomGrayscale(0.2),
            *blurs,
            pil.ToTensor(),
            pil.Normalize(MEAN, STD),
        ]
    )


def v2_view():
    return v2.Compose(
        [
            v2.RandomResizedCrop(32, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(3, (0.1, 2.0))], 0.5),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
