"""Evaluation against scikit-learn and slow loops, on sets whose last batch is short."""

import os
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as oracle
from torch import nn

from labkit import evaluate as lab
from labkit.data.splits import Split
from labkit.evaluate import classify
from labkit.run_folder import LabError


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
        (batches_of(x, y + 2, 16), r"Label [45] .* is outside 0\.\.3"),
        (batches_of(x, y - 1, 16), "Label -1 of the evaluated split"),
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


def test_collapse_is_told_by_three_signs():
    one_point, spread = torch.ones(64, 32), torch.randn(64, 32)
    assert lab.collapse(one_point, one_point)["feature_std"] == pytest.approx(0, abs=1e-4)
    signs = lab.collapse(spread, torch.randn(64, 32))
    assert signs["feature_std"] > 0.9 and signs["uniformity"] < -3 and signs["alignment"] > 1.5


@pytest.fixture
def pictures():
    """A downstream set of 90 tiny pictures in three colors, with an encoder that counts its calls."""
    generator = torch.Generator().manual_seed(0)

    def split(count, name):
        labels = torch.arange(count) % 3
        images = torch.randint(0, 100, (count, 3, 4, 4), generator=generator, dtype=torch.uint8)
        images[torch.arange(count), labels] += 100
        return Split(images, labels, name)

    class Encoder(nn.Module):
        num_features, asked = 48, 0

        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images):
            Encoder.asked += len(images)
            return images.flatten(1) * self.scale

    splits = {name: split(count, name) for name, count in (("train", 60), ("val", 15), ("test", 15))}
    return Encoder(), SimpleNamespace(name="colors", mean=torch.zeros(3), std=torch.ones(3), **splits)


def test_the_linear_head_is_that_of_the_probe_on_extracted_features(pictures):
    encoder, probe = pictures
    exam = lab.evaluate_linear_head(encoder, probe)
    every = [
        t
        for name in ("train", "val", "test")
        for t in (getattr(probe, name).images.flatten(1) / 255, getattr(probe, name).labels)
    ]
    assert exam.linear.accuracy == lab.linear_probe(*every).accuracy == 1.0
    assert exam.knn.accuracy == lab.knn_probe(*every).accuracy
    torch.testing.assert_close(exam.features["val"][0], every[2])


def test_features_are_computed_once_for_the_same_weights_and_images_only(pictures, tmp_path):
    encoder, probe = pictures
    first = lab.evaluate_linear_head(encoder, probe, cache=tmp_path)
    asked = encoder.asked
    assert (
        asked == 90
        and lab.evaluate_linear_head(encoder, probe, cache=tmp_path).linear.accuracy == first.linear.accuracy
        and encoder.asked == asked
    )
    with torch.no_grad():
        encoder.scale *= 2  # other weights,
    lab.evaluate_linear_head(encoder, probe, cache=tmp_path)
    assert encoder.asked == asked + 90
    lab.evaluate_linear_head(encoder, probe, cache=tmp_path, mean=torch.full((3,), 0.5))  # normalisation,
    assert encoder.asked == asked + 180
    probe.test.images[0, 0, 0, 0] ^= 1  # or one bit
    lab.evaluate_linear_head(encoder, probe, cache=tmp_path, mean=torch.full((3,), 0.5))
    assert encoder.asked == asked + 195


def test_a_torn_cache_file_is_computed_again(pictures, tmp_path):
    encoder, probe = pictures
    lab.cached_features(encoder, probe.val, mean=probe.mean, std=probe.std, cache=tmp_path)
    file = next(tmp_path.glob("*.pt"))
    file.write_bytes(file.read_bytes()[:100])
    features, _ = lab.cached_features(encoder, probe.val, mean=probe.mean, std=probe.std, cache=tmp_path)
    torch.testing.assert_close(features, probe.val.images.flatten(1) / 255)
    assert torch.load(file, weights_only=True)["features"].shape == (15, 48)


def test_a_cache_keeps_its_newest_files_and_never_loses_the_last(tmp_path):
    for age, name in enumerate("abcd"):
        (tmp_path / f"{name}.pt").write_bytes(bytes(100))
        os.utime(tmp_path / f"{name}.pt", (1000 - age, 1000 - age))  # a is the newest
    (tmp_path / "note.txt").write_bytes(bytes(1000))
    for limit, left in ((400, "abcd"), (399, "abc"), (200, "ab"), (50, "a")):
        classify.keep_newest(tmp_path, limit)
        assert sorted(file.stem for file in tmp_path.glob("*.pt")) == list(left)
    assert (tmp_path / "note.txt").exists()


def test_extracting_features_bounds_their_cache(pictures, tmp_path):
    encoder, probe = pictures
    normal = {"mean": probe.mean, "std": probe.std, "cache": tmp_path}
    with open(tmp_path / "old.pt", "wb") as file:
        file.truncate(classify.CACHE_BYTES)  # a hole: no disk is filled
    os.utime(tmp_path / "old.pt", (0, 0))
    lab.cached_features(encoder, probe.val, **normal)
    assert len(list(tmp_path.glob("*.pt"))) == 1 and not (tmp_path / "old.pt").exists()


def test_labels_of_another_type_than_int64_are_refused(task):
    model, x, y = task
    for wrong in (y.int(), y.float(), y.byte()):
        with pytest.raises(LabError, match=r"not int64; take labels.long"):
            lab.evaluate(model, batches_of(x, wrong, 16))


def test_the_report_and_the_means_agree_where_a_class_is_absent():
    model, batches = nn.Flatten(), [Batch(torch.eye(6)[[0, 1, 1, 2]], torch.tensor([0, 1, 2, 2]), torch.arange(4))]
    answer = lab.evaluate(model, batches)
    macro = next(line.split() for line in answer.report().splitlines() if "macro avg" in line)
    assert [float(value) for value in macro[2:5]] == pytest.approx(
        [answer.precision, answer.recall, answer.f1], abs=5e-4
    )


def test_scores_that_are_no_numbers_are_refused():
    scores = torch.eye(3)
    scores[1, 2] = float("nan")
    with pytest.raises(LabError, match="1 of 3 images have NaN among their scores"):
        lab.evaluate(nn.Flatten(), [Batch(scores, torch.arange(3), torch.arange(3))])
