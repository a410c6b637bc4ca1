"""Evaluation: accuracy and reports on labelled images, probes of frozen features, metrics, intervals."""

from typing import TYPE_CHECKING

from labkit import lazy

if TYPE_CHECKING:
    from labkit.evaluate import intervals, metrics, probes
    from labkit.evaluate.classify import (
        Evaluation,
        cached_features,
        collapse,
        evaluate,
        evaluate_linear_head,
        examining,
        extract_features,
        knn_accuracy,
        knn_probe,
        linear_probe,
        most_confident,
    )

__all__ = [
    "Evaluation",
    "cached_features",
    "collapse",
    "evaluate",
    "evaluate_linear_head",
    "examining",
    "extract_features",
    "intervals",
    "knn_accuracy",
    "knn_probe",
    "linear_probe",
    "metrics",
    "most_confident",
    "probes",
]

_MODULES = {"intervals", "metrics", "probes"}
__getattr__, __dir__ = lazy(__name__, {name: "" if name in _MODULES else "classify" for name in __all__})
