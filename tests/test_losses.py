"""NT-Xent against the paper's loops and closed forms; supervised losses against cross-entropy."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from labkit import losses
from labkit.losses import NTXentLoss, SupervisedLoss, nt_xent
from labkit.run_folder import LabError


def views(batch, *, dim=8, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, dim, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for _ in range(2)
    ]


def nt_xent_loops(z1, z2, temperature):
    """Algorithm 1 of the paper, one loop per sum. Slow on purpose: it is the oracle."""
    z = [row for pair in zip(z1, z2, strict=True) for row in pair]  # 2k - 1 and 2k belong together
    n = len(z)

    def s(i, j):
        return z[i] @ z[j] / (z[i].norm() * z[j].norm())

    def ell(i, j):
        others = sum((s(i, k) / temperature).exp() for k in range(n) if k != i)
        return -((s(i, j) / temperature).exp() / others).log()

    return sum(ell(2 * k, 2 * k + 1) + ell(2 * k + 1, 2 * k) for k in range(n // 2)) / n


FORMS = {  # name -> (z1, z2, temperature) -> loss: the readable one, and the fast one in chunks of several sizes
    "readable": nt_xent,
    "fast": lambda z1, z2, t=0.5: NTXentLoss(t)(z1, z2),
    "rows": lambda z1, z2, t=0.5: NTXentLoss(t, chunk_size=1)(z1, z2),
    "ragged chunks": lambda z1, z2, t=0.5: NTXentLoss(t, chunk_size=3)(z1, z2),
}
every_form = pytest.mark.parametrize("nt_xent", FORMS.values(), ids=FORMS)


@every_form
@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_loss_and_gradient_match_the_papers_algorithm(batch, temperature, nt_xent):
    z = views(batch)
    loss, oracle = nt_xent(*z, temperature), nt_xent_loops(*z, temperature)
    torch.testing.assert_close(loss, oracle, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(loss, z), torch.autograd.grad(oracle, z), rtol=1e-8, atol=1e-12)


@every_form
@pytest.mark.parametrize("batch", [1, 2, 17, 64])
def test_equal_rows_give_log_of_candidates(batch, nt_xent):
    z = torch.ones(batch, 4)
    assert nt_xent(z, z, 0.1).item() == pytest.approx(math.log(2 * batch - 1), abs=1e-5)


@every_form
def test_perfect_views_of_orthogonal_images_have_a_closed_form(nt_xent):
    z = torch.eye(4, 16, dtype=torch.float64)
    expected = math.log(math.exp(1 / 0.5) + 6) - 1 / 0.5
    assert nt_xent(z, z, 0.5).item() == pytest.approx(expected, abs=1e-12)


@every_form
def test_scale_and_order_of_views_and_images_do_not_matter(nt_xent):
    a, b = views(6)
    order = torch.randperm(6)
    same = [nt_xent(b, a), nt_xent(3 * a, 0.1 * b), nt_xent(a[order], b[order])]
    torch.testing.assert_close(torch.stack(same), nt_xent(a, b).expand(3))


@every_form
def test_gradcheck(nt_xent):
    a, b = views(3, dim=4)
    assert gradcheck(lambda x, y: nt_xent(x, y, 0.3), (a, b))


@every_form
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_inputs_lose_nothing_to_the_loss_itself(dtype, nt_xent):
    half = views(32, dim=16, dtype=dtype)
    exact = [z.detach().double().requires_grad_() for z in half]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = nt_xent(*half, 0.05)
    oracle = nt_xent(*exact, 0.05)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(oracle.item(), rel=1e-5)
    for ours, theirs in zip(torch.autograd.grad(loss, half), torch.autograd.grad(oracle, exact), strict=True):
        assert ours.dtype == dtype and ours.isfinite().all()
        assert (ours.double() - theirs).norm() / theirs.norm() < 4e-3  # rounding of the result to `dtype`


@every_form
def test_extreme_temperature_neither_overflows_nor_vanishes(nt_xent):
    a, b = views(8, dtype=torch.float32)
    loss = nt_xent(a, b, 0.001)
    assert loss.item() == pytest.approx(nt_xent(a.double(), b.double(), 0.001).item(), rel=1e-4)
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (a, b)))


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the element count of every new storage of at least `floor` elements."""

    def __init__(self, floor):
        super().__init__()
        self.floor, self.storages = floor, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for t in result if isinstance(result, tuple | list) else [result]:
            if isinstance(t, torch.Tensor) and t.numel() >= self.floor:
                self.storages.append(t.untyped_storage())
        return result


@pytest.mark.parametrize(("chunk_size", "floor", "buffers"), [(None, 128 * 128, 1), (16, 16 * 128 + 1, 0)])
def test_holds_one_similarity_block_and_none_when_chunked(chunk_size, floor, buffers):
    z = views(64, dim=4, dtype=torch.float32)
    with LargestTensor(floor) as seen:
        NTXentLoss(chunk_size=chunk_size)(*z).backward()
    assert len({s._cdata for s in seen.storages}) == buffers


def test_large_batches_are_chunked_without_being_asked(monkeypatch):
    monkeypatch.setitem(losses.BLOCK, "cpu", 2 * 64 * 16)
    z = views(64, dim=4, dtype=torch.float32)
    with LargestTensor(16 * 128 + 1) as seen:
        NTXentLoss()(*z).backward()
    assert not seen.storages


def test_the_fast_form_needs_no_gradient():
    a, b = views(5)
    with torch.no_grad():
        torch.testing.assert_close(NTXentLoss(0.2)(a, b), nt_xent(a, b, 0.2))


def test_gradient_steps_pull_partners_together():
    torch.manual_seed(0)
    z = torch.randn(2, 8, 4, requires_grad=True)
    optimizer = torch.optim.SGD([z], lr=5.0)
    before = F.cosine_similarity(z[0], z[1]).mean().item()
    for _ in range(50):
        optimizer.zero_grad()
        nt_xent(z[0], z[1], 0.5).backward()
        optimizer.step()
    assert F.cosine_similarity(z[0], z[1]).mean() > before + 0.5


@every_form
@pytest.mark.parametrize("shapes", [((0, 4), (0, 4)), ((3, 4), (2, 4)), ((3, 4), (3, 5)), ((3,), (3,))])
def test_batches_that_do_not_pair_are_refused(shapes, nt_xent):
    with pytest.raises(LabError, match="two \\(B, D\\) views"):
        nt_xent(*(torch.ones(s) for s in shapes))


@every_form
@pytest.mark.parametrize("temperature", [0, -0.1, float("nan")])
def test_temperature_must_be_positive(temperature, nt_xent):
    with pytest.raises(LabError, match=r"temperature is .*; give a finite number above 1e-30"):
        nt_xent(*views(2), temperature)


# ---- supervised losses


def samples(batch=40, classes=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(batch, classes, generator=generator, dtype=torch.float64) * 3
    return logits.to(dtype).requires_grad_(), torch.randint(classes, (batch,), generator=generator)


WEIGHT = torch.tensor([0.5, 2.0, 1.0, 0.1, 3.0])


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_focal_with_gamma_zero_is_cross_entropy(weight):
    logits, labels = samples(dtype=torch.float32)
    focal = SupervisedLoss(focal_gamma=0.0, class_weights=None if weight is None else weight.tolist())
    torch.testing.assert_close(focal(logits, labels), F.cross_entropy(logits, labels, weight))


def test_focal_matches_the_formula_in_loops():
    logits, labels = samples(dtype=torch.float32)
    p = [row.softmax(0)[y].item() for row, y in zip(logits.double(), labels, strict=True)]
    expected = sum(-((1 - q) ** 2) * math.log(q) for q in p) / len(p)
    assert SupervisedLoss(focal_gamma=2.0)(logits, labels).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_has_a_finite_gradient_where_the_model_is_certain(gamma):
    logits = torch.tensor([[60.0, -60.0], [-60.0, 60.0]], requires_grad=True)
    SupervisedLoss(focal_gamma=gamma)(logits, torch.tensor([0, 0])).backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("fraction", [0.01, 0.25, 1.0])
def test_hard_examples_are_the_largest_losses(fraction):
    logits, labels = samples(dtype=torch.float32)
    each = sorted(F.cross_entropy(logits, labels, reduction="none").tolist(), reverse=True)
    kept = each[: max(1, math.ceil(fraction * len(each)))]
    loss = SupervisedLoss(hard_fraction=fraction)(logits, labels)
    assert loss.item() == pytest.approx(sum(kept) / len(kept), rel=1e-6)


def test_options_left_at_rest_give_cross_entropy():
    logits, labels = samples(dtype=torch.float32)
    loss = SupervisedLoss(label_smoothing=0.1, class_weights=WEIGHT.tolist(), num_classes=5)
    torch.testing.assert_close(loss(logits, labels), F.cross_entropy(logits, labels, WEIGHT, label_smoothing=0.1))
    assert SupervisedLoss()(logits.bfloat16(), labels).dtype == torch.float32


def test_every_combination_with_all_examples_kept_changes_nothing():
    logits, labels = samples(dtype=torch.float32)
    for options in ({}, {"focal_gamma": 2.0}, {"class_weights": WEIGHT.tolist()}):
        whole = SupervisedLoss(hard_fraction=1.0, **options)(logits, labels)
        torch.testing.assert_close(whole, SupervisedLoss(**options)(logits, labels))


def test_balanced_weights_match_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    labels = torch.tensor([0] * 7 + [1] * 2 + [2])
    ours = SupervisedLoss(class_weights="balanced", labels=labels, num_classes=3).weight
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    assert ours.tolist() == pytest.approx(theirs.tolist())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"class_weights": "balanced", "labels": torch.tensor([0, 2]), "num_classes": 3}, "none of class 1"),
        ({"class_weights": "balance"}, "balance"),
        ({"class_weights": [1.0, 2.0], "num_classes": 3}, "2 class weights for 3 classes"),
        ({"focal_gamma": 2.0, "label_smoothing": 0.1}, "set one of them"),
        ({"focal_gamma": -1.0}, "focal_gamma is -1.0"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"hard_fraction": 0.0}, "hard_fraction is 0.0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(LabError, match=sentence):
        SupervisedLoss(**options)


@pytest.mark.parametrize("size", [0, -1])
def test_a_chunk_of_no_rows_is_refused(size):
    with pytest.raises(LabError, match=f"chunk_size is {size}"):
        NTXentLoss(0.5, chunk_size=size)


def test_a_second_derivative_is_refused_or_right():
    z1, z2 = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    loss = NTXentLoss(0.5)
    with pytest.raises(LabError, match="derived twice"):
        torch.autograd.functional.hessian(lambda z: loss(z, z2), z1)
    hessian = torch.func.hessian(lambda z: loss(z, z2))(z1)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(lambda z: nt_xent(z, z2, 0.5), z1))
    torch.testing.assert_close(torch.func.grad(lambda z: loss(z, z2))(z1), torch.func.grad(nt_xent)(z1, z2))
