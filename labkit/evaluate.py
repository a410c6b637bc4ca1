"""Examination: a whole labelled set, the features of a frozen encoder, kNN and the linear probe."""

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit import metrics
from labkit.errors import LabError
from labkit.models.heads import extract

L2_GRID = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5)


@contextmanager
def examining(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode without gradients; afterwards every submodule has its own former mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training


@dataclass(frozen=True)
class Evaluation:
    """What a classifier does on N labelled samples, in the split's order, of K classes; all on the CPU."""

    loss: float  # mean over samples
    accuracy: float
    precision: float  # this and the next two: mean over classes
    recall: float
    f1: float
    top_k: float
    k: int
    confusion: Tensor  # (K, K) counts, row = true class
    probabilities: Tensor = field(repr=False)  # (N, K)
    labels: Tensor = field(repr=False)  # (N,)
    index: Tensor = field(repr=False)  # (N,) rows of the split
    classes: Sequence[str] = field(repr=False)

    @property
    def predictions(self) -> Tensor:
        return self.probabilities.argmax(1)

    def report(self) -> str:
        """Return scikit-learn's table of precision, recall and F1 per class."""
        try:
            from sklearn.metrics import classification_report
        except ImportError as error:
            raise LabError("The report needs scikit-learn: pip install scikit-learn") from error
        names = range(len(self.classes))
        return classification_report(
            self.labels, self.predictions, labels=names, target_names=self.classes, digits=3, zero_division=0
        )


def evaluate(
    model: nn.Module,
    batches: Iterable,
    *,
    top_k: int = 5,
    classes: Sequence[str] | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> Evaluation:
    """Return how `model` (images -> (B, K) logits) does on every sample of `batches`, in eval mode.

    batches: `Batches.evaluation(...)`, whose model and images share a device. `loss` is a batch mean; it is
    weighted by the batch's size, so that a short last batch counts per sample. Raises LabError for unlabelled
    or empty sets and for labels that the model has no output for.
    """
    seen, total = [], 0.0
    with examining(model):
        for batch in _epoch(batches):
            if batch.labels is None:
                raise LabError("This split has no labels, so nothing can be scored; use its val split.")
            scores = model(batch.images).float()  # (B, K)
            _require_labels_within(batch.labels, scores.shape[1])
            total = total + loss(scores, batch.labels) * len(scores)
            seen.append((scores, batch.labels, batch.index))
    if not seen:
        raise LabError("There is nothing to evaluate: the split gave no batch.")
    return _score(*_in_order(*zip(*seen, strict=True)), total, top_k, classes)


def _score(logits, labels, index, total, top_k, classes) -> Evaluation:
    classes = list(classes) if classes is not None else [str(c) for c in range(logits.shape[1])]
    confusion = metrics.confusion_matrix(logits.argmax(1), labels, logits.shape[1])
    macro = metrics.precision_recall_f1(confusion)
    return Evaluation(
        loss=float(total) / len(labels),
        accuracy=metrics.accuracy(logits, labels).item(),
        **{name: value.item() for name, value in macro._asdict().items()},
        top_k=metrics.top_k_accuracy(logits, labels, top_k).item(),
        k=min(top_k, logits.shape[1]),
        confusion=confusion.cpu(),
        probabilities=logits.softmax(1).cpu(),
        labels=labels.cpu(),
        index=index.cpu(),
        classes=classes,
    )


def most_confident(evaluation: Evaluation, *, right: bool, k: int = 10) -> Tensor:
    """Return which samples, at most k, were answered most surely, among the right or among the wrong answers.

    They are rows of `evaluation.probabilities`, which for a whole evaluated split are rows of the split, too.
    """
    sure, predictions = evaluation.probabilities.max(1)
    chosen = ((predictions == evaluation.labels) == right).nonzero()[:, 0]
    return chosen[sure[chosen].argsort(descending=True, stable=True)[:k]]


def extract_features(model: nn.Module, batches: Iterable) -> tuple[Tensor, Tensor | None]:
    """Return features (N, D) fp32 and labels (N,) of every sample, in the split's order.

    Calls the method `model.features` where there is one (what lies under a head), else the model; eval mode.
    Raises LabError when the encoder's state changed on the way, or a feature is not finite.
    """
    encode = _encoder(model)
    before = state_digest(model)
    seen = []
    with examining(model):
        for batch in _epoch(batches):
            seen.append((encode(batch.images).float().flatten(1), batch.labels, batch.index))
    if not seen:
        raise LabError("There is nothing to extract features from: the split gave no batch.")
    if state_digest(model) != before:
        raise LabError("The encoder changed while its features were extracted; a frozen one must not.")
    features, labels, _ = _in_order(*zip(*seen, strict=True))
    _require_finite(features)
    return features, labels


def _encoder(model: nn.Module) -> Callable[[Tensor], Tensor]:
    if inspect.ismethod(getattr(model, "features", None)):  # some models keep a submodule of that name
        return model.features
    if hasattr(model, "config") and not hasattr(model, "num_features"):
        return lambda images: extract(model, images)  # a bare Hugging Face backbone
    return model


def state_digest(model: nn.Module) -> str:
    """Return a hash of every parameter and buffer: equal digests mean equal weights and statistics."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def knn_predict(train_f, train_y, test_f, *, k=20, temperature=0.07, chunk_size=1024) -> Tensor:
    """Return the class (M,) that the k nearest training features (N, D), by cosine, vote for; test_f: (M, D).

    A vote weighs exp(cosine / temperature) (Wu et al. 2018). Memory grows with chunk_size * N, not M * N.
    """
    _require_labels("kNN", train=train_y)
    if not 1 <= k <= len(train_f):
        raise LabError(f"k={k} neighbours of {len(train_f)} training features; give 1 to {len(train_f)}.")
    _require_finite(train_f, test_f)
    bank, num_classes = F.normalize(train_f.float(), dim=1), int(train_y.max()) + 1
    answers = []
    for queries in F.normalize(test_f.float(), dim=1).split(chunk_size):
        cosines, neighbours = (queries @ bank.T).topk(k, dim=1)  # (m, k)
        votes = queries.new_zeros(len(queries), num_classes)
        votes.scatter_add_(1, train_y[neighbours], ((cosines - cosines[:, :1]) / temperature).exp())
        answers.append(votes.argmax(1))
    return torch.cat(answers)


def knn_accuracy(train_f, train_y, test_f, test_y, *, k: int = 20, temperature: float = 0.07) -> float:
    """Return the share of test features (M, D) whose class their k nearest training features get right."""
    _require_labels("kNN", train=train_y, test=test_y)
    answers = knn_predict(train_f, train_y, test_f, k=k, temperature=temperature)
    return metrics.accuracy(answers, test_y).item()


@dataclass(frozen=True)
class ProbeResult:
    """A linear classifier on frozen features, its accuracy, and how its L2 strength was chosen."""

    accuracy: float  # on test
    l2: float
    val_accuracy: dict[float, float]  # l2 -> accuracy on val of the fit on train alone
    weight: Tensor = field(repr=False)  # (D, K), for standardised features
    bias: Tensor = field(repr=False)  # (K,)
    mean: Tensor = field(repr=False)  # (D,)
    std: Tensor = field(repr=False)  # (D,)

    def predict(self, features: Tensor) -> Tensor:
        """Return the class (N,) of each raw feature (N, D)."""
        return torch.addmm(self.bias, (features.float() - self.mean) / self.std, self.weight).argmax(1)


def linear_probe(
    train_f, train_y, val_f, val_y, test_f, test_y, *, l2: Sequence[float] = L2_GRID, max_iter: int = 200
) -> ProbeResult:
    """Return multinomial logistic regression on frozen features (N, D) with labels (N,), tested once.

    Minimises mean cross-entropy + l2/2 |W|^2 by full-batch L-BFGS on features standardised with the
    statistics of the samples it is fitted to. The l2 of best val accuracy (the strongest of equals) is fitted
    again on train + val. An l2 is scikit-learn's C = 1 / (l2 N). Raises LabError for missing labels and
    for features that are not finite.
    """
    _require_labels("The linear probe", train=train_y, val=val_y, test=test_y)
    _require_finite(train_f, val_f, test_f)
    num_classes = max(int(y.max()) for y in (train_y, val_y, test_y)) + 1
    val_accuracy, fitted, start = {}, {}, None
    for strength in sorted(l2, reverse=True):  # from strong to weak, each from the last one's solution
        fitted[strength] = start = _fit_probe(train_f, train_y, num_classes, strength, max_iter, start)
        val_accuracy[strength] = _accuracy(start, val_f, val_y)
    best = max(val_accuracy, key=val_accuracy.get)
    everything, labels = torch.cat([train_f, val_f]), torch.cat([train_y, val_y])
    final = _fit_probe(everything, labels, num_classes, best, max_iter, fitted[best])
    return ProbeResult(_accuracy(final, test_f, test_y), best, val_accuracy, **final)


def _accuracy(fit: dict[str, Tensor], features: Tensor, labels: Tensor) -> float:
    return metrics.accuracy(ProbeResult(0.0, 0.0, {}, **fit).predict(features), labels).item()


def _fit_probe(features, labels, num_classes, l2, max_iter, start) -> dict[str, Tensor]:
    std, mean = torch.std_mean(features.float(), dim=0, correction=0)
    std = torch.where(std > 0, std, 1.0)  # a feature that never varies says nothing
    x = (features.float() - mean) / std
    weight, bias = _softmax_regression(x, labels, num_classes, l2, max_iter, start)
    return {"weight": weight, "bias": bias, "mean": mean, "std": std}


@torch.no_grad()
def _softmax_regression(x, labels, num_classes, l2, max_iter, start) -> tuple[Tensor, Tensor]:
    """Return the weight (D, K) and bias (K,) of least cost. The gradient by hand: autograd keeps copies."""
    weight = start["weight"].clone() if start else x.new_zeros(x.shape[1], num_classes)
    bias = start["bias"].clone() if start else x.new_zeros(num_classes)
    rows = torch.arange(len(x), device=x.device)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=max_iter, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
    )

    def cost():
        log_p = torch.addmm(bias, x, weight).log_softmax(1)  # (N, K)
        value = -log_p[rows, labels].mean() + l2 / 2 * weight.square().sum()
        error = log_p.exp_()
        error[rows, labels] -= 1
        error /= len(x)
        weight.grad, bias.grad = torch.addmm(weight, x.T, error, beta=l2), error.sum(0)
        return value

    solver.step(cost)
    return weight, bias


def collapse(z1: Tensor, z2: Tensor) -> dict[str, float]:
    """Return the signs of a collapsed encoder from two views' projections (B, D): see `labkit.metrics`."""
    return {
        "alignment": metrics.alignment(z1, z2).item(),
        "uniformity": metrics.uniformity(z1).item(),
        "feature_std": metrics.feature_std(z1).item(),
    }


def _epoch(batches: Iterable) -> Iterable:
    return batches.epoch(0) if hasattr(batches, "epoch") else batches


def _in_order(values, labels, index) -> tuple[Tensor, Tensor | None, Tensor]:
    index = torch.cat(index)
    order = index.argsort()
    labels = None if labels[0] is None else torch.cat(labels)[order]
    return torch.cat(values)[order], labels, index[order]


def _require_labels_within(labels: Tensor, num_outputs: int) -> None:
    low, high = labels.aminmax()
    if low < 0 or high >= num_outputs:
        worst = int(low if low < 0 else high)
        raise LabError(f"Label {worst} lies outside 0..{num_outputs - 1}, the classes that the model knows.")


def _require_labels(what: str, **labels: Tensor | None) -> None:
    if any(y is None for y in labels.values()):
        raise LabError(f"{what} needs labels for {', '.join(labels)}; choose a labelled probe set.")


def _require_finite(*features: Tensor) -> None:
    for f in features:
        broken = (~f.isfinite()).any(1)
        if broken.any():
            raise LabError(
                f"{int(broken.sum())} of {len(f)} features hold NaN or infinity; the encoder has diverged, "
                "go back to an earlier checkpoint or lower the learning rate."
            )
