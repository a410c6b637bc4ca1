"""Evaluation: accuracy and reports on labeled images, probes of frozen features, metrics, intervals."""

from typing import TYPE_CHECKING

from labkit import lazy

if TYPE_CHECKING:
    from labkit.evaluate import intervals, metrics, probes
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
    "intervals",
    "knn_accuracy",
    "knn_predict",
    "knn_probe",
    "linear_probe",
    "metrics",
    "most_confident",
    "probes",
    "state_digest",
]

_ELSEWHERE = dict.fromkeys(("knn_accuracy", "knn_predict", "knn_probe", "linear_probe"), "probes")
_ELSEWHERE |= dict.fromkeys(("intervals", "metrics", "probes"), "")
__getattr__, __dir__ = lazy(__name__, dict.fromkeys(__all__, "classify") | _ELSEWHERE)
