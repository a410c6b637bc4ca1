"""Metrics against scikit-learn, SciPy and closed forms."""

import math

import pytest
import torch
from sklearn import metrics as oracle

from labkit.evaluate import metrics
from labkit.run_folder import LabError

K = 6


@pytest.fixture
def scored():
    """Scores and labels of 200 samples; class 4 is never predicted and class 5 never occurs."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(K - 1, (200,), generator=generator)
    logits = torch.randn(200, K, generator=generator)
    logits[torch.arange(200), labels] += 1.0
    logits[:, 4] = -9.0
    return logits, labels


def test_accuracy_takes_scores_or_predictions(scored):
    logits, labels = scored
    expected = oracle.accuracy_score(labels, logits.argmax(1))
    assert metrics.accuracy(logits, labels).item() == pytest.approx(expected)
    assert metrics.accuracy(logits.argmax(1), labels).item() == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_matches_scikit_learn(scored, k):
    logits, labels = scored
    expected = oracle.top_k_accuracy_score(labels, logits, k=k, labels=range(K))
    assert metrics.top_k_accuracy(logits, labels, k).item() == pytest.approx(expected)


def test_top_k_of_more_than_all_classes_is_one(scored):
    assert metrics.top_k_accuracy(*scored, k=50).item() == 1.0


def test_confusion_rows_are_truth(scored):
    logits, labels = scored
    confusion = metrics.confusion_matrix(logits.argmax(1), labels, K)
    expected = oracle.confusion_matrix(labels, logits.argmax(1), labels=range(K))
    assert confusion.tolist() == expected.tolist()


def test_precision_recall_f1_match_scikit_learn(scored):
    logits, labels = scored
    confusion = metrics.confusion_matrix(logits.argmax(1), labels, K)
    expected = oracle.precision_recall_fscore_support(labels, logits.argmax(1), average="macro", zero_division=0)
    assert [value.item() for value in metrics.precision_recall_f1(confusion)] == pytest.approx(expected[:3])


def test_alignment_and_uniformity_of_collapsed_and_spread_features():
    one_point = torch.ones(50, 8)
    assert metrics.alignment(one_point, 3 * one_point).item() == pytest.approx(0, abs=1e-6)
    assert metrics.uniformity(one_point).item() == pytest.approx(0, abs=1e-5)
    assert metrics.feature_std(one_point).item() == pytest.approx(0, abs=1e-5)
    poles = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert metrics.alignment(poles, poles.flip(0)).item() == pytest.approx(4.0)
    assert metrics.uniformity(poles).item() == pytest.approx(-2 * 4.0)
    spread = torch.randn(1000, 256, generator=torch.Generator().manual_seed(0))
    assert metrics.uniformity(spread).item() == pytest.approx(-4, abs=0.1)
    assert metrics.feature_std(spread).item() == pytest.approx(1, abs=0.01)


def test_uniformity_matches_the_papers_double_sum():
    z = torch.randn(7, 3, dtype=torch.float64)
    unit = z / z.norm(dim=1, keepdim=True)
    pairs = [math.exp(-2 * (unit[i] - unit[j]).square().sum()) for i in range(7) for j in range(i)]
    assert metrics.uniformity(z).item() == pytest.approx(math.log(sum(pairs) / len(pairs)), rel=1e-5)


@pytest.mark.parametrize("measure", [metrics.uniformity, metrics.feature_std])
def test_one_row_has_no_spread(measure):
    with pytest.raises(LabError, match=r"Needs at least 2 feature rows \(got 1\)"):
        measure(torch.randn(1, 8))
