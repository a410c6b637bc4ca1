"""Evaluation: a whole labeled set, the features of a frozen encoder, and classifiers on them (`probes`)."""

import hashlib
import inspect
import io
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.data.batches import Batches
from labkit.data.splits import require_labels
from labkit.evaluate import metrics
from labkit.evaluate.probes import KnnResult, ProbeResult, knn_probe, linear_probe, require_finite
from labkit.models.heads import extract
from labkit.run_folder import LabError, atomic_write, make_folder

CACHE_BYTES = 2**30  # of features that a cache folder keeps


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
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
    """What a classifier does on N labeled samples, in the split's order, of K classes; all on the CPU."""

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
        """Return scikit-learn's table of precision, recall and F1 per class that occurs in truth or prediction."""
        try:
            from sklearn.metrics import classification_report
        except ImportError as error:
            raise LabError("The report needs scikit-learn: pip install scikit-learn") from error
        occur = torch.cat([self.labels, self.predictions]).unique().tolist()
        names = [self.classes[k] for k in occur]
        return classification_report(
            self.labels, self.predictions, labels=occur, target_names=names, digits=3, zero_division=0
        )


def evaluate(
    model: nn.Module,
    batches,
    *,
    top_k: int = 5,
    classes: Sequence[str] | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> Evaluation:
    """Return how `model` (images -> (B, K) logits) does on every sample of `batches`, in eval mode.

    batches: `Batches.evaluation(...)`, whose model and images share a device. `loss` is a batch mean; it is
    weighted by the batch's size, so that a short last batch counts per sample. Raises LabError for unlabeled
    or empty sets and for labels that are not int64 or that the model has no output for.
    """
    seen, total = [], torch.zeros(())
    _say_if_normalized_otherwise(model, batches)
    with eval_mode(model):
        for batch in _epoch(batches):
            scores = model(batch.images).float()  # (B, K)
            require_labels(batch.labels, of="evaluated split", num_classes=scores.shape[1])
            total = total + loss(scores, batch.labels) * len(scores)
            seen.append((scores, batch.labels, batch.index))
    if not seen:
        raise LabError("There is nothing to evaluate: the split gave no batch.")
    logits, labels, index = _in_order(*zip(*seen, strict=True))
    assert labels is not None  # or require_labels had refused them
    if logits.isnan().any():
        raise LabError(f"{int(logits.isnan().any(1).sum())} of {len(logits)} images have NaN among their scores.")
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
        classes=list(classes) if classes is not None else [str(c) for c in range(logits.shape[1])],
    )


def most_confident(evaluation: Evaluation, *, right: bool, k: int = 10) -> Tensor:
    """Return which samples, at most k, have the highest confidence, among the right or among the wrong predictions.

    They are rows of `evaluation.probabilities`, which for a whole evaluated split are rows of the split, too.
    """
    sure, predictions = evaluation.probabilities.max(1)
    chosen = ((predictions == evaluation.labels) == right).nonzero()[:, 0]
    return chosen[sure[chosen].argsort(descending=True, stable=True)[:k]]


def extract_features(model: nn.Module, batches) -> tuple[Tensor, Tensor | None]:
    """Return features (N, D) fp32 and labels (N,) of every sample, in the split's order.

    Calls the method `model.features` where there is one (what lies under a head), else the model; eval mode.
    Raises LabError when the encoder's state changed on the way, or a feature is not finite.
    """
    encode = getattr(model, "features", None)
    if not inspect.ismethod(encode):  # some models keep a submodule of that name
        bare = hasattr(model, "config") and not hasattr(model, "num_features")  # a backbone of Hugging Face
        encode = partial(extract, model) if bare else model
    _say_if_normalized_otherwise(model, batches)
    before, seen = state_digest(model), []
    with eval_mode(model):
        for batch in _epoch(batches):
            seen.append((encode(batch.images).float().flatten(1), batch.labels, batch.index))
    if not seen:
        raise LabError("There is nothing to extract features from: the split gave no batch.")
    if state_digest(model) != before:
        raise LabError("The encoder changed while its features were extracted; a frozen one must not.")
    features, labels, _ = _in_order(*zip(*seen, strict=True))
    require_finite(features)
    return features, labels


@dataclass(frozen=True)
class ProbeEvaluation:
    """Two classifiers on the features of a frozen encoder: a linear probe and k nearest neighbors."""

    linear: ProbeResult
    knn: KnnResult
    features: dict[str, tuple[Tensor, Tensor]] = field(repr=False)  # split -> (N, D), labels (N,)


def evaluate_linear_head(
    model: nn.Module, dataset, *, mean=None, std=None, batch_size: int = 256, cache: Path | None = None
) -> ProbeEvaluation:
    """Evaluate a frozen encoder on a `Dataset`: features once, then the linear probe and kNN.

    Everything is chosen on dataset.val; dataset.test is read once. mean, std: the normalization that the encoder
    was trained with (default: the data set's own). cache: a folder that keeps features by the hash of weights,
    images and normalization, so that none are computed twice (the newest CACHE_BYTES).
    """
    mean, std = (dataset.mean if mean is None else mean), (dataset.std if std is None else std)
    options = {"mean": mean, "std": std, "batch_size": batch_size, "cache": cache}
    found = {name: cached_features(model, getattr(dataset, name), **options) for name in ("train", "val", "test")}
    every = [tensor for pair in found.values() for tensor in pair]
    return ProbeEvaluation(linear_probe(*every), knn_probe(*every), found)


def cached_features(model: nn.Module, split, *, mean, std, batch_size=256, cache: Path | None = None):
    """Return (features (N, D), labels (N,)) of a split on the CPU, from `cache` where they lie there."""
    file = None
    if cache is not None and isinstance(split.images, Tensor):
        key = hashlib.blake2b(digest_size=16)  # of what features depend on: class, weights, pixels, normalization
        key.update(f"{type(model).__name__} {state_digest(model)} {split.images.shape}".encode())
        key.update(f"{torch.as_tensor(mean).tolist()} {torch.as_tensor(std).tolist()}".encode())
        key.update(split.images.contiguous().numpy().view("uint8").data)
        file = cache / f"{key.hexdigest()}.pt"
        with suppress(OSError, RuntimeError, EOFError, pickle.UnpicklingError):  # absent or torn: compute it
            return torch.load(file, weights_only=True)["features"], split.labels
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    batches = Batches.evaluation(split, batch_size, mean=mean, std=std, device=device)
    features, labels = extract_features(model, batches)
    if file is not None:
        make_folder(file.parent)
        buffer = io.BytesIO()
        torch.save({"features": features.cpu()}, buffer)
        atomic_write(file, buffer.getvalue())
        keep_newest(file.parent)
    return features.cpu(), None if labels is None else labels.cpu()


def keep_newest(folder: Path, limit: int = CACHE_BYTES) -> None:
    """Delete the oldest *.pt files of a folder until the others fit into `limit` bytes; the newest stays."""
    files = []
    for file in folder.glob("*.pt"):
        with suppress(FileNotFoundError):  # another process may delete as well
            files.append((file.stat().st_mtime_ns, file.stat().st_size, file))
    total = 0
    for number, (_, size, file) in enumerate(sorted(files, reverse=True)):
        total += size
        if number and total > limit:
            file.unlink(missing_ok=True)


def state_digest(model: nn.Module) -> str:
    """Return a hash of every parameter and buffer: equal digests mean equal weights and statistics."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def collapse(z1: Tensor, z2: Tensor) -> dict[str, float]:
    """Return the signs of a collapsed encoder from two views' projections (B, D): see `labkit.evaluate.metrics`."""
    return {
        "alignment": metrics.alignment(z1, z2).item(),
        "uniformity": metrics.uniformity(z1).item(),
        "feature_std": metrics.feature_std(z1).item(),
    }


def _say_if_normalized_otherwise(model: nn.Module, batches) -> None:
    """Warn where `fit` has trained the model on images of another normalization: its accuracy would mean nothing."""
    known, now = getattr(model, "trained_on", None), getattr(batches, "normalize", None)
    if known is not None and now is not None and not known.equals(now):
        advice = "pass the mean and std of the training set to Batches.evaluation"
        warnings.warn(f"The model was trained on images that were normalized otherwise: {advice}.", stacklevel=3)


def _epoch(batches) -> Iterable:
    return batches.epoch(0) if hasattr(batches, "epoch") else batches


def _in_order(values, labels, index) -> tuple[Tensor, Tensor | None, Tensor]:
    index = torch.cat(index)
    order = index.argsort()
    labels = None if labels[0] is None else torch.cat(labels)[order]
    return torch.cat(values)[order], labels, index[order]
