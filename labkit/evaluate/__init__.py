"""Evaluation: accuracy and reports on labeled images, probes of frozen features, metrics, intervals."""

from typing import TYPE_CHECKING

from labkit import lazy

if TYPE_CHECKING:
    from labkit.evaluate.classify import (
        Evaluation,
        ProbeEvaluation,
        cached_features,
        collapse,
        eval_mode,
        evaluate,
        evaluate_linear_head,
        extract_features,
        most_confident,
        state_digest,
    )
    from labkit.evaluate.probes import knn_accuracy, knn_predict, knn_probe, linear_probe

__all__ = [
    "Evaluation",
    "ProbeEvaluation",
    "cached_features",
    "collapse",
    "eval_mode",
    "evaluate",
    "evaluate_linear_head",
    "extract_features",
    "knn_accuracy",
    "knn_predict",
    "knn_probe",
    "linear_probe",
    "most_confident",
    "state_digest",
]

_PROBES = dict.fromkeys(("knn_accuracy", "knn_predict", "knn_probe", "linear_probe"), "probes")
__getattr__, __dir__ = lazy(__name__, dict.fromkeys(__all__, "classify") | _PROBES)
