"""Linear probe and k-nearest-neighbor classifier on frozen features."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.data.splits import require_labels
from labkit.evaluate import metrics
from labkit.run_folder import LabError

L2_GRID = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5)
NEIGHBORS = (1, 5, 20, 50, 200)
CHUNK = 4096  # rows


def knn_predict(train_f, train_y, test_f, *, k=20, temperature=0.07, chunk_size=1024) -> Tensor:
    """Return the class (M,) of highest vote among the k nearest training features (N, D), by cosine; test_f: (M, D).

    A vote weighs exp(cosine / temperature) (Wu et al. 2018). Memory grows with chunk_size * N, not M * N.
    """
    _require_labels(train=train_y)
    if not 1 <= k <= len(train_f):
        raise LabError(f"k={k} neighbors of {len(train_f)} training features; give 1 to {len(train_f)}.")
    require_finite(train_f, test_f)
    bank, num_classes = F.normalize(train_f.float(), dim=1), int(train_y.max()) + 1
    answers = []
    for queries in F.normalize(test_f.float(), dim=1).split(chunk_size):
        cosines, neighbors = (queries @ bank.T).topk(k, dim=1)  # (m, k)
        votes = queries.new_zeros(len(queries), num_classes)
        votes.scatter_add_(1, train_y[neighbors], ((cosines - cosines[:, :1]) / temperature).exp())
        answers.append(votes.argmax(1))
    return torch.cat(answers)


def knn_accuracy(train_f, train_y, test_f, test_y, *, k: int = 20, temperature: float = 0.07) -> float:
    """Return the share of test features (M, D) whose class their k nearest training features get right."""
    _require_labels(train=train_y, test=test_y)
    answers = knn_predict(train_f, train_y, test_f, k=k, temperature=temperature)
    return metrics.accuracy(answers, test_y).item()


@dataclass(frozen=True)
class KnnResult:
    """Accuracy of the kNN classifier, and its k."""

    accuracy: float  # on test
    k: int
    val_accuracy: dict[int, float]  # k -> accuracy on val, neighbors from train alone


def knn_probe(
    train_f, train_y, val_f, val_y, test_f, test_y, *, ks: Sequence[int] = NEIGHBORS, temperature=0.07
) -> KnnResult:
    """Return the kNN accuracy on test at the k of `ks` that does best on val (the smallest of equals).

    For test, the neighbors come from train and val together. A k larger than the training set is left out.
    """
    _require_labels(train=train_y, val=val_y, test=test_y)
    ks = [k for k in ks if k <= len(train_f)] or [len(train_f)]
    found = {k: knn_accuracy(train_f, train_y, val_f, val_y, k=k, temperature=temperature) for k in ks}
    best = max(found, key=found.__getitem__)
    everything, labels = torch.cat([train_f, val_f]), torch.cat([train_y, val_y])
    accuracy = knn_accuracy(everything, labels, test_f, test_y, k=best, temperature=temperature)
    return KnnResult(accuracy, best, found)


@dataclass(frozen=True)
class ProbeResult:
    """A linear classifier on frozen features, its accuracy, and how its L2 strength was chosen."""

    accuracy: float  # on test
    l2: float
    val_accuracy: dict[float, float]  # l2 -> accuracy on val of the fit on train alone
    weight: Tensor = field(repr=False)  # (D, K), for standardized features
    bias: Tensor = field(repr=False)  # (K,)
    mean: Tensor = field(repr=False)  # (D,)
    std: Tensor = field(repr=False)  # (D,)

    def predict(self, features: Tensor) -> Tensor:
        """Return the class (N,) of each raw feature (N, D)."""
        return torch.addmm(self.bias, (features.float() - self.mean) / self.std, self.weight).argmax(1)


def linear_probe(
    train_f, train_y, val_f, val_y, test_f, test_y, *, l2: Sequence[float] = L2_GRID, tolerance: float = 1e-4
) -> ProbeResult:
    """Return multinomial logistic regression on frozen features (N, D) with labels (N,), tested once.

    Minimizes mean cross-entropy + l2/2 |W|^2 by full-batch L-BFGS on features standardized with the
    statistics of the samples it is fitted to. The l2 of best val accuracy (the strongest of equals) is fitted
    again on train + val; where l2 is one value there is nothing to choose, and that fit is the only one. An
    l2 is scikit-learn's C = 1 / (l2 N), tolerance its tol: the largest gradient entry at which a fit ends.
    Raises LabError for missing labels, empty sets, an empty `l2` and features that are not finite.
    """
    if not len(l2):
        raise LabError("l2 is empty, so no probe can be fitted; give one strength or several, as in L2_GRID.")
    _require_labels(train=train_y, val=val_y, test=test_y)
    require_finite(train_f, val_f, test_f)
    num_classes = max(int(y.max()) for y in (train_y, val_y, test_y)) + 1
    effort = {"num_classes": num_classes, "tolerance": tolerance}
    val_accuracy, fitted, start = {}, {}, None

    def accuracy(fit: dict[str, Tensor], features: Tensor, labels: Tensor) -> float:
        return metrics.accuracy(ProbeResult(0.0, 0.0, {}, **fit).predict(features), labels).item()

    for strength in sorted(l2, reverse=True) if len(l2) > 1 else ():  # each from the stronger one's solution
        fitted[strength] = start = _fit_probe(train_f, train_y, strength, start, **effort)
        val_accuracy[strength] = accuracy(start, val_f, val_y)
    best = max(val_accuracy, key=val_accuracy.__getitem__) if val_accuracy else l2[0]
    everything, labels = torch.cat([train_f, val_f]), torch.cat([train_y, val_y])
    final = _fit_probe(everything, labels, best, fitted.get(best), **effort)
    return ProbeResult(accuracy(final, test_f, test_y), best, val_accuracy, **final)


@torch.no_grad()
def _fit_probe(features, labels, l2, start, *, num_classes, tolerance) -> dict[str, Tensor]:
    """The gradient by hand: autograd keeps copies; CHUNK rows at a time: their logits stay in a core's cache."""
    mean = features.mean(0, dtype=torch.float32)
    x = features.float() - mean
    std = torch.linalg.vector_norm(x, dim=0) / len(x) ** 0.5
    std = torch.where(std > 1e-6 * mean.abs(), std, 1.0)  # less is rounding: the feature never varies
    x /= std
    weight = start["weight"].clone() if start else x.new_zeros(x.shape[1], num_classes)
    bias = start["bias"].clone() if start else x.new_zeros(num_classes)
    count, step = len(x), CHUNK if x.device.type == "cpu" else len(x)
    parts = list(zip(x.split(step), labels.split(step), strict=True))
    places = torch.arange(step, device=x.device)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, tolerance_grad=tolerance, line_search_fn="strong_wolfe")

    def cost():
        value = l2 / 2 * weight.square().sum()
        weight.grad, bias.grad = l2 * weight, torch.zeros_like(bias)
        for rows, right in parts:
            log_p = torch.addmm(bias, rows, weight).log_softmax(1)  # (n, K)
            own = places[: len(right)], right
            value = value - log_p[own].sum() / count
            error = log_p.exp_()
            error[own] -= 1
            weight.grad.addmm_(rows.T, error, alpha=1 / count)
            bias.grad.add_(error.sum(0), alpha=1 / count)
        return value

    solver.step(cost)
    return {"weight": weight, "bias": bias, "mean": mean, "std": std}


def _require_labels(**labels: Tensor | None) -> None:
    """Raise LabError, naming the split, where its labels are missing, of another type than int64, or empty."""
    for name, y in labels.items():
        require_labels(y, of=f"{name} split")


def require_finite(*features: Tensor) -> None:
    """Raise LabError where a feature (N, D) holds NaN or infinity."""
    for f in features:
        if not f.sum().isfinite() and (
            broken := int((~f.isfinite()).any(1).sum())
        ):  # a sum of finite ones may overflow
            raise LabError(
                f"{broken} of {len(f)} features hold NaN or infinity; the encoder has diverged, "
                "go back to an earlier checkpoint or lower the learning rate."
            )
