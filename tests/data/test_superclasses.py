"""Twenty groups of five; a confusion of groups counts the same answers as that of classes."""

import torch

from labkit.data.sources.superclasses import SUPERCLASSES, grouped, superclasses
from labkit.evaluate.metrics import confusion_matrix


def test_twenty_groups_of_five_different_classes():
    fine = [name for names in SUPERCLASSES.values() for name in names.split()]
    assert len(SUPERCLASSES) == 20 and len(fine) == len(set(fine)) == 100
    assert all(len(names.split()) == 5 for names in SUPERCLASSES.values())


def test_groups_follow_the_order_of_the_classes():
    fine = sorted(name for names in SUPERCLASSES.values() for name in names.split())
    names, groups = superclasses(fine)
    assert all(fine[k] in SUPERCLASSES[names[groups[k]]].split() for k in range(100))
    assert groups.bincount().tolist() == [5] * 20


def test_other_sets_are_their_own_groups():
    names, groups = superclasses(["cat", "dog"])
    assert names == ["cat", "dog"] and groups.tolist() == [0, 1]


def test_grouping_counts_in_loops():
    generator = torch.Generator().manual_seed(0)
    labels, answers = torch.randint(6, (2, 200), generator=generator)
    groups = torch.tensor([0, 2, 1, 0, 1, 2])
    expected = torch.zeros(3, 3, dtype=torch.int64)
    for truth, answer in zip(labels, answers, strict=True):
        expected[groups[truth], groups[answer]] += 1
    assert torch.equal(grouped(confusion_matrix(answers, labels, 6), groups), expected)
