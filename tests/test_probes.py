"""The judges of features against scikit-learn's, and against themselves in other circumstances."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from labkit.evaluate import probes as lab
from labkit.run_folder import LabError


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
    ours = lab.linear_probe(*train, *val, *test, l2=[l2], tolerance=1e-6)
    x, y = torch.cat([train[0], val[0]]).double(), torch.cat([train[1], val[1]])
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (l2 * len(y)), tol=1e-8, max_iter=5000))
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
    alone = {l2: lab.linear_probe(*train, *val, *test, l2=[l2, l2]).val_accuracy[l2] for l2 in (1.0, 1e-2)}
    for l2, expected in alone.items():  # a warm start changes the way, not the goal
        assert honest.val_accuracy[l2] == pytest.approx(expected, abs=0.01)


def test_probe_is_blind_to_scale_and_shift_of_features_and_to_a_constant_one():
    sets = blobs(200, 0), blobs(100, 1), blobs(100, 2)
    plain = lab.linear_probe(*(t for s in sets for t in s), l2=[1e-2])
    moved = [(torch.cat([1e3 * x - 7, torch.full((len(x), 1), 0.1)], 1), y) for x, y in sets]
    assert lab.linear_probe(*(t for s in moved for t in s), l2=[1e-2]).accuracy == pytest.approx(
        plain.accuracy, abs=0.011
    )


def test_knn_refuses_missing_labels():
    x, y = blobs(50, 0)
    asked = {"train": lambda: lab.knn_predict(x, None, x), "test": lambda: lab.knn_accuracy(x, y, x, None)}
    for missing, ask in asked.items():
        with pytest.raises(LabError, match=f"The {missing} split has no labels"):
            ask()


def test_probe_refuses_missing_labels_and_broken_features():
    x, y = blobs(50, 0)
    with pytest.raises(LabError, match="The train split has no labels"):
        lab.linear_probe(x, None, x, None, x, y)
    with pytest.raises(LabError, match=r"Labels of the val split are torch.int32, not int64; take labels.long"):
        lab.linear_probe(x, y, x, y.int(), x, y)
    with pytest.raises(LabError, match="NaN or infinity"):
        lab.linear_probe(x / 0, y, x, y, x, y)


def test_probes_refuse_an_empty_set_and_no_strength_at_all():
    x, y = blobs(50, 0)
    for classifier in (lab.linear_probe, lab.knn_probe):
        with pytest.raises(LabError, match="The val split holds no image; give that split at least one"):
            classifier(x, y, x[:0], y[:0], x, y)
    with pytest.raises(LabError, match=r"l2 is empty.*L2_GRID"):
        lab.linear_probe(x, y, x, y, x, y, l2=())


def test_one_strength_is_fitted_once_and_many_rows_as_few(monkeypatch):
    """Rows are taken in chunks: how many changes the rounding, not the solution."""
    train, val, test = blobs(300, 0), blobs(100, 1), blobs(200, 2)
    whole = lab.linear_probe(*train, *val, *test, l2=[1e-2], tolerance=1e-6)
    assert whole.val_accuracy == {} and whole.l2 == 1e-2
    monkeypatch.setattr(lab, "CHUNK", 7)
    chunked = lab.linear_probe(*train, *val, *test, l2=[1e-2], tolerance=1e-6)
    assert (whole.weight - chunked.weight).norm() / whole.weight.norm() < 1e-2
    again = lab.linear_probe(*train, *val, *test, l2=[1e-2, 1e-2], tolerance=1e-6)
    assert (whole.weight - again.weight).norm() / whole.weight.norm() < 1e-2


def test_k_is_chosen_on_val_and_test_changes_nothing():
    train, val, test = blobs(120, 0), blobs(120, 1), blobs(200, 2)
    found = lab.knn_probe(*train, *val, *test, ks=(1, 7, 60, 500))
    assert set(found.val_accuracy) == {1, 7, 60}
    assert found.val_accuracy[found.k] == max(found.val_accuracy.values())
    assert found.val_accuracy[7] == lab.knn_accuracy(*train, *val, k=7)
    fooled = lab.knn_probe(*train, *val, test[0], test[1].roll(1), ks=(1, 7, 60))
    assert fooled.k == found.k and fooled.accuracy != found.accuracy
    everything = torch.cat([train[0], val[0]]), torch.cat([train[1], val[1]])
    assert found.accuracy == lab.knn_accuracy(*everything, *test, k=found.k)
    assert lab.knn_probe(*blobs(3, 0), *val, *test, ks=(5,)).k == 3
