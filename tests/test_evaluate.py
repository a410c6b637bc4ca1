"""Evaluation against scikit-learn and slow loops, on sets whose last batch is short."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from labkit import evaluate as lab
from labkit.errors import LabError


class Batch(NamedTuple):
    images: torch.Tensor
    labels: torch.Tensor | None
    index: torch.Tensor


def batches_of(x, y, size, order=None):
    order = torch.arange(len(x)) if order is None else order
    return [Batch(x[i], None if y is None else y[i], i) for i in order.split(size)]


@pytest.fixture
def task():
    """A net with BatchNorm and dropout, 50 samples and labels that its answers partly meet."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4))
    x = torch.randn(50, 6)
    with torch.inference_mode():
        y = model.eval()(x).argmax(1)
    model.train()
    y = torch.where(torch.rand(50) < 0.3, torch.randint(4, (50,)), y)
    return model, x, y.clone()


def scores(model, x):
    model.eval()
    with torch.no_grad():
        logits = model(x)
    model.train()
    return logits


def test_every_figure_is_of_the_whole_set_though_the_last_batch_is_short(task):
    model, x, y = task
    logits = scores(model, x)
    answer = lab.evaluate(model, batches_of(x, y, 16), top_k=2)
    p, r, f, _ = oracle.precision_recall_fscore_support(y, logits.argmax(1), average="macro", zero_division=0)
    assert answer.loss == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert answer.accuracy == pytest.approx(oracle.accuracy_score(y, logits.argmax(1)))
    assert (answer.precision, answer.recall, answer.f1) == pytest.approx((p, r, f))
    assert answer.top_k == pytest.approx(oracle.top_k_accuracy_score(y, logits, k=2))
    assert answer.confusion.tolist() == oracle.confusion_matrix(y, logits.argmax(1)).tolist()
    torch.testing.assert_close(answer.probabilities, logits.softmax(1))
    assert answer.report() == oracle.classification_report(
        y, logits.argmax(1), target_names=list("0123"), digits=3, zero_division=0
    )


def test_order_and_size_of_batches_do_not_matter(task):
    model, x, y = task
    straight = lab.evaluate(model, batches_of(x, y, 50))
    shuffled = lab.evaluate(model, batches_of(x, y, 7, order=torch.randperm(50)))
    assert shuffled.loss == pytest.approx(straight.loss, rel=1e-5)
    assert torch.equal(shuffled.labels, y) and torch.equal(shuffled.index, torch.arange(50))
    torch.testing.assert_close(shuffled.probabilities, straight.probabilities)


def test_every_submodule_gets_its_own_mode_back_even_after_an_error(task):
    model, x, y = task
    model[1].eval()
    modes = [m.training for m in model.modules()]
    lab.evaluate(model, batches_of(x, y, 16))
    assert [m.training for m in model.modules()] == modes
    with pytest.raises(RuntimeError):
        lab.evaluate(model, batches_of(x[:, :3], y, 16))
    assert [m.training for m in model.modules()] == modes
    assert not lab.evaluate(model, batches_of(x, y, 16)).probabilities.is_inference()
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_most_confident_answers_match_a_sort_in_loops(task):
    model, x, y = task
    answer = lab.evaluate(model, batches_of(x, y, 16))
    for right in (True, False):
        rows = [i for i in range(50) if (answer.probabilities[i].argmax() == y[i]).item() == right]
        rows.sort(key=lambda i: -answer.probabilities[i].max().item())
        assert lab.most_confident(answer, right=right, k=5).tolist() == rows[:5]
    assert len(lab.most_confident(answer, right=False, k=1000)) == 50 - round(answer.accuracy * 50)


def test_sets_that_cannot_be_scored_are_refused(task):
    model, x, y = task
    for batches, sentence in [
        (batches_of(x, None, 16), "no labels"),
        ([], "no batch"),
        (batches_of(x, y + 2, 16), r"Label 5 lies outside 0\.\.3"),
        (batches_of(x, y - 1, 16), r"Label -1 lies outside"),
    ]:
        with pytest.raises(LabError, match=sentence):
            lab.evaluate(model, batches)


class Headed(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.head = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5)), nn.Linear(5, 2)

    def features(self, x):
        return self.backbone(x)

    def forward(self, x):
        return self.head(self.features(x))


def test_features_are_those_under_the_head_in_eval_mode_and_in_order(task):
    _, x, y = task
    model = Headed()
    features, labels = lab.extract_features(model, batches_of(x, y, 16, order=torch.randperm(50)))
    torch.testing.assert_close(features, scores(model.backbone, x))
    assert torch.equal(labels, y) and model.training
    assert not features.is_inference(), "a head must be trainable on them"
    assert lab.extract_features(model, batches_of(x, None, 16))[1] is None


def test_a_submodule_called_features_is_not_taken_for_the_method(task):
    _, x, y = task
    model = nn.Linear(6, 5)
    model.features = nn.Linear(1, 1)
    assert lab.extract_features(model, batches_of(x, y, 16))[0].shape == (50, 5)


def test_an_encoder_that_changes_or_diverges_is_found(task):
    _, x, y = task

    class Drifting(Headed):
        def features(self, x):
            self.backbone[1].running_mean += 1e-3
            return super().features(x)

    with pytest.raises(LabError, match="changed while"):
        lab.extract_features(Drifting(), batches_of(x, y, 16))
    with pytest.raises(LabError, match="1 of 50 features hold NaN"):
        lab.extract_features(Headed(), batches_of(torch.cat([x[:49], x[:1] / 0]), y, 16))


def test_digest_sees_statistics_and_one_changed_bit():
    model = Headed()
    before = lab.state_digest(model)
    assert lab.state_digest(model) == before
    model.backbone[1].running_var[0] += 1e-6
    assert lab.state_digest(model) != before
    assert lab.state_digest(model.bfloat16()) != before


def blobs(n, seed, *, classes=5, dim=10, spread=1.5):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, dim, generator=torch.Generator().manual_seed(99))
    y = torch.randint(classes, (n,), generator=generator)
    x = centres[y] + spread * torch.randn(n, dim, generator=generator)
    return x * torch.logspace(-2, 2, dim) + 3.0, y


@pytest.mark.parametrize("k", [1, 5, 200])
def test_knn_matches_scikit_learn_with_the_same_weights(k):
    (x, y), (queries, truth) = blobs(300, 0), blobs(64, 1)
    reference = KNeighborsClassifier(k, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07))
    reference.fit(x.double(), y)
    predictions = lab.knn_predict(x, y, queries, k=k, chunk_size=10)
    assert (predictions.numpy() == reference.predict(queries.double())).mean() >= 0.98  # ties in rounding
    expected = (predictions == truth).float().mean().item()
    assert lab.knn_accuracy(x, y, queries, truth, k=k) == pytest.approx(expected)


def test_knn_survives_a_small_temperature_and_refuses_too_many_neighbours():
    (x, y), (queries, truth) = blobs(100, 0), blobs(50, 1)
    nearest = lab.knn_accuracy(x, y, queries, truth, k=1)
    assert lab.knn_accuracy(x, y, queries, truth, k=20, temperature=1e-6) == nearest
    with pytest.raises(LabError, match="give 1 to 100"):
        lab.knn_accuracy(x, y, queries, truth, k=101)


@pytest.mark.parametrize("l2", [1e-1, 1e-3])
def test_probe_matches_scikit_learns_logistic_regression(l2):
    train, val, test = blobs(400, 0), blobs(100, 1), blobs(500, 2)
    ours = lab.linear_probe(*train, *val, *test, l2=[l2])
    x, y = torch.cat([train[0], val[0]]).double(), torch.cat([train[1], val[1]])
    reference = make_pipeline(
        StandardScaler(), LogisticRegression(C=1 / (l2 * len(y)), tol=1e-8, max_iter=5000)
    )
    reference.fit(x, y)
    theirs = torch.from_numpy(reference[-1].coef_).T.float()
    assert (ours.weight - theirs).norm() / theirs.norm() < 5e-3
    assert (ours.predict(test[0]).numpy() == reference.predict(test[0].double())).mean() >= 0.998
    assert ours.accuracy == pytest.approx(reference.score(test[0].double(), test[1]), abs=0.002)


def test_probe_chooses_on_val_and_never_looks_at_test():
    train, val, test = blobs(60, 0, dim=40), blobs(200, 1, dim=40), blobs(200, 2, dim=40)
    honest = lab.linear_probe(*train, *val, *test)
    fooled = lab.linear_probe(*train, *val, test[0], test[1].roll(1))
    assert honest.l2 == fooled.l2 and torch.equal(honest.weight, fooled.weight)
    assert honest.val_accuracy[honest.l2] == max(honest.val_accuracy.values())
    assert set(honest.val_accuracy) == set(lab.L2_GRID)
    alone = {l2: lab.linear_probe(*train, *val, *test, l2=[l2]).val_accuracy[l2] for l2 in (1.0, 1e-2)}
    for l2, expected in alone.items():  # a warm start changes the way, not the goal
        assert honest.val_accuracy[l2] == pytest.approx(expected, abs=0.01)


def test_probe_is_blind_to_scale_and_shift_of_features_and_to_a_constant_one():
    sets = blobs(200, 0), blobs(100, 1), blobs(100, 2)
    plain = lab.linear_probe(*(t for s in sets for t in s), l2=[1e-2])
    moved = [(torch.cat([1e3 * x - 7, torch.full((len(x), 1), 5.0)], 1), y) for x, y in sets]
    assert lab.linear_probe(*(t for s in moved for t in s), l2=[1e-2]).accuracy == pytest.approx(
        plain.accuracy, abs=0.011
    )


def test_knn_refuses_missing_labels():
    x, y = blobs(50, 0)
    for ask in (lambda: lab.knn_predict(x, None, x), lambda: lab.knn_accuracy(x, y, x, None)):
        with pytest.raises(LabError, match=r"kNN needs labels for train.*choose a labelled probe set"):
            ask()


def test_probe_refuses_missing_labels_and_broken_features():
    x, y = blobs(50, 0)
    with pytest.raises(LabError, match="needs labels"):
        lab.linear_probe(x, None, x, y, x, y)
    with pytest.raises(LabError, match="NaN or infinity"):
        lab.linear_probe(x / 0, y, x, y, x, y)


def test_collapse_is_told_by_three_signs():
    one_point, spread = torch.ones(64, 32), torch.randn(64, 32)
    assert lab.collapse(one_point, one_point)["feature_std"] == pytest.approx(0, abs=1e-4)
    signs = lab.collapse(spread, torch.randn(64, 32))
    assert signs["feature_std"] > 0.9 and signs["uniformity"] < -3 and signs["alignment"] > 1.5
