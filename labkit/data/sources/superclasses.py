"""CIFAR-100's twenty superclasses of five classes each (Krizhevsky 2009, table of section 3.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

SUPERCLASSES = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food containers": "bottle bowl can cup plate",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
    "electrical devices": "clock keyboard lamp telephone television",
    "furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large carnivores": "bear leopard lion tiger wolf",
    "large outdoor things": "bridge castle house road skyscraper",
    "outdoor scenes": "cloud forest mountain plain sea",
    "large herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium mammals": "fox porcupine possum raccoon skunk",
    "invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles 1": "bicycle bus motorcycle pickup_truck train",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
}


def superclasses(classes: Sequence[str]) -> tuple[list[str], Tensor]:
    """Return the names of the groups of `classes` and each class's group, int64 (len(classes),).

    Where the classes are not CIFAR-100's, every class is its own group.
    """
    group = {fine: number for number, names in enumerate(SUPERCLASSES.values()) for fine in names.split()}
    if set(classes) != set(group):
        return list(classes), torch.arange(len(classes))
    return list(SUPERCLASSES), torch.tensor([group[name] for name in classes])


def grouped(confusion: Tensor, groups: Tensor) -> Tensor:
    """Return the confusion of groups (G, G) of one of classes (K, K); groups: (K,) of `superclasses`."""
    member = torch.nn.functional.one_hot(groups).to(confusion.dtype)  # (K, G)
    return member.T @ confusion @ member
