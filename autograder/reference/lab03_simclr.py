"""Right answers of lab03: NT-Xent as the paper writes it, and what known mistakes compute instead."""

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent_loops(z_i: Tensor, z_j: Tensor, temperature: float) -> Tensor:
    """Algorithm 1 of Chen et al. (2020), one loop per sum, in float64. Slow on purpose: it is the oracle."""
    z = torch.stack([z_i, z_j], dim=1).flatten(0, 1).double()  # (2N, D), partners 2k and 2k + 1
    z = z / z.norm(dim=1, keepdim=True)
    losses = []
    for i in range(len(z)):
        weights = [torch.exp(z[i] @ z[k] / temperature) for k in range(len(z)) if k != i]
        partner = z[i] @ z[i + 1 if i % 2 == 0 else i - 1] / temperature
        losses.append(torch.stack(weights).sum().log() - partner)
    return torch.stack(losses).mean()


def nt_xent(z_i: Tensor, z_j: Tensor, temperature: float) -> Tensor:
    """The same in one matrix, float64."""
    z = F.normalize(torch.cat([z_i, z_j]).double(), dim=1)  # (2N, D)
    logits = (z @ z.T / temperature).fill_diagonal_(float("-inf"))  # (2N, 2N)
    return F.cross_entropy(logits, torch.arange(len(z)).roll(len(z_i)))


def gradients(z_i: Tensor, z_j: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss and its gradients with respect to both views, float64."""
    a, b = z_i.double().requires_grad_(True), z_j.double().requires_grad_(True)
    loss = nt_xent(a, b, temperature)
    return loss.detach(), *torch.autograd.grad(loss, (a, b))


def _parts(z_i: Tensor, z_j: Tensor, temperature: float, *, normalize=True, dim=1):
    z = torch.cat([z_i, z_j]).double()
    z = F.normalize(z, dim=dim) if normalize else z
    logits = z @ z.T / temperature
    partner = torch.arange(len(z)).roll(len(z_i))
    return z, logits, partner, torch.eye(len(z), dtype=torch.bool)


def _without_self(logits: Tensor, own: Tensor) -> Tensor:
    return logits.masked_fill(own, float("-inf"))


def _changed(**how):
    def value(z_i, z_j, temperature):
        _, logits, partner, own = _parts(z_i, z_j, temperature, **how)
        return F.cross_entropy(_without_self(logits, own), partner)

    return value


def _fixed(other: float):
    return lambda z_i, z_j, temperature: nt_xent(z_i, z_j, other)


def _self_kept(z_i, z_j, temperature):
    _, logits, partner, _ = _parts(z_i, z_j, temperature)
    return F.cross_entropy(logits, partner)


def _positive_missing(z_i, z_j, temperature):
    _, logits, partner, own = _parts(z_i, z_j, temperature)
    rows = torch.arange(len(logits))
    negatives = _without_self(logits, own).clone()
    negatives[rows, partner] = float("-inf")
    return (negatives.logsumexp(1) - logits[rows, partner]).mean()


def _adjacent(z_i, z_j, temperature):
    _, logits, partner, own = _parts(z_i, z_j, temperature)
    return F.cross_entropy(_without_self(logits, own), torch.arange(len(partner)) ^ 1)


def _across(z_i, z_j, temperature, *, both):
    a, b = F.normalize(z_i.double(), dim=1), F.normalize(z_j.double(), dim=1)
    logits, rows = a @ b.T / temperature, torch.arange(len(a))
    one = F.cross_entropy(logits, rows)
    return (one + F.cross_entropy(logits.T, rows)) / 2 if both else one


def _one_way(z_i, z_j, temperature):
    _, logits, partner, own = _parts(z_i, z_j, temperature)
    return F.cross_entropy(_without_self(logits, own)[: len(z_i)], partner[: len(z_i)])


def _positives_only(z_i, z_j, temperature):
    return -(F.cosine_similarity(z_i.double(), z_j.double()) / temperature).mean()


def _double_softmax(z_i, z_j, temperature):
    _, logits, partner, own = _parts(z_i, z_j, temperature)
    return F.cross_entropy(_without_self(logits, own).softmax(1), partner)


MISTAKES = {  # what a value equals -> what to tell the student
    "no normalization": (_changed(normalize=False), "it looks as if z is not scaled to unit length first"),
    "wrong axis": (_changed(dim=0), "it looks as if z is normalized over the batch instead of its features"),
    "temperature multiplied": (lambda a, b, t: nt_xent(a, b, 1 / t), "the similarities must be divided by T"),
    "temperature ignored": (_fixed(1.0), "the temperature has no effect"),
    "temperature fixed at 0.5": (_fixed(0.5), "the temperature is always 0.5"),
    "temperature fixed at 0.1": (_fixed(0.1), "the temperature is always 0.1"),
    "temperature fixed at 0.07": (_fixed(0.07), "the temperature is always 0.07"),
    "self term kept": (_self_kept, "the denominator must leave out each view's similarity with itself"),
    "positive missing": (_positive_missing, "the denominator must hold the positive pair as well"),
    "adjacent positives": (_adjacent, "partners are N rows apart when the views are stacked, not neighbors"),
    "one direction": (_one_way, "only the rows of z_i are scored; the mean runs over all 2N rows"),
    "across views": (lambda a, b, t: _across(a, b, t, both=False), "the negatives within the same view are missing"),
    "across views, both ways": (
        lambda a, b, t: _across(a, b, t, both=True),
        "the negatives within the same view are missing",
    ),
    "positives only": (_positives_only, "the negatives have no effect"),
    "double softmax": (_double_softmax, "cross entropy applies the softmax itself; it was applied twice"),
}


def diagnose(cases: list[tuple[Tensor, Tensor, float, float]]) -> tuple[str, str]:
    """Return the known mistake, and a hint, that explains the values (z_i, z_j, T, value) up to a factor."""
    right = [nt_xent(a, b, t).item() for a, b, t, _ in cases]
    got = [value for *_, value in cases]
    factor = _factor(got, right)
    if factor is not None:
        return f"right times {factor:.3f}", _about_factor(factor, cases)
    for name, (formula, hint) in MISTAKES.items():
        if _factor(got, [float(formula(a, b, t)) for a, b, t, _ in cases]) is not None:
            return name, hint
    return "", ""


def _factor(got: list[float], wanted: list[float]) -> float | None:
    """Return the one number between two lists, if one number explains all of them."""
    if any(abs(w) < 1e-9 for w in wanted):
        return None
    ratios = [g / w for g, w in zip(got, wanted, strict=True)]
    return ratios[0] if all(abs(r - ratios[0]) < 2e-3 * abs(ratios[0]) for r in ratios) else None


def _about_factor(factor: float, cases: list) -> str:
    if factor < 0:
        return "the sign is turned round"
    if abs(factor - 2) < 0.01:
        return "your loss divides by N, the paper by 2N: ratio 2.000"
    if len({len(a) for a, *_ in cases}) == 1 and abs(factor - 2 * len(cases[0][0])) < 0.01 * factor:
        return "your loss is the sum over the 2N rows, the paper's is their mean"
    return f"your loss is {factor:.3f} times the paper's, always"
