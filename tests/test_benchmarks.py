"""The benchmarks' own arithmetic, and every section in its short form, run as a reader would run it."""

import json
import subprocess
import sys
import time

import pytest

from benchmarks import compare, inputs, real_images, results
from benchmarks.__main__ import parse
from benchmarks.compare import Contender, Section
from benchmarks.tables import markdown
from labkit.run_folder import repo_root


def test_rounds_alternate_and_nobody_always_goes_first():
    order = []
    contenders = [Contender(name, lambda name=name: order.append(name)) for name in "abc"]
    seconds = compare.interleave(contenders, repeats=3, warmup=1)
    assert order == [*"abc", *"abc", *"bca", *"cab"]
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_ratio_is_that_of_median_rates():
    contenders = [
        Contender("peer", lambda: time.sleep(0), 10),
        Contender("ours", lambda: None, 20),
        compare.missing("absent", "nothing"),
    ]
    rows = compare.table(
        contenders, {"peer": [1.0, 2.0, 100.0], "ours": [0.5, 1.0, 1.0]}, unit="images/s", against="peer"
    )
    assert rows[0]["images/s"] == 5 and rows[1]["images/s"] == 20 and rows[1]["ratio"] == 4
    assert "not installed" in rows[2]["images/s"] and "ratio" not in rows[2]


def test_the_pil_peer_really_does_the_work():
    """A peer that skips augmentation or normalisation would make a comparison worthless."""
    images = inputs.random_images(64)
    view = inputs.pil_view(blur=True)
    loader = inputs.PerSample(images, view, pil_image=True)
    first, second = (loader[0][0] for _ in range(2))
    assert first.shape == (3, 32, 32) and not first.equal(second)
    assert float(first.min()) > -2.5 and float(first.max()) < 2.6


def test_results_keep_what_was_not_measured_again(tmp_path):
    rows = [{"": "labkit Batches, default", "images/s": 10, "ratio": 3.0}]
    results.save([Section("inputs", "Inputs", rows, ["a note"])], tmp_path, command="one", gpu=None)
    results.save(
        [Section("probe", "Probe", [{"": "labkit linear_probe", "ratio": 5.0}], [])], tmp_path, command="two", gpu=None
    )
    text = (tmp_path / "RESULTS.md").read_text()
    assert "## Inputs" in text and "## Probe" in text and "`one`" in text and "`two`" in text
    assert "a note" in text and "not measured" in text  # the GPU's rows
    assert results.ratios(json.loads((tmp_path / "results.json").read_text())) == {
        "input pipeline / PIL": 3.0,
        "linear probe / scikit-learn": 5.0,
    }
    assert (tmp_path / "results.png").stat().st_size > 5000


def test_a_later_run_keeps_what_was_measured_on_a_gpu(tmp_path):
    section = Section("probe", "Probe", [{"": "labkit linear_probe", "ratio": 5.0}], [])
    report = {"machine": {"device": "H200"}, "steps": [{"model": "cnn", "images/s": 123456}]}
    results.save([section], tmp_path, command="with", gpu=report)
    text = results.save([section], tmp_path, command="without", gpu=None).read_text()
    assert "123,456" in text and "H200" in text and "not measured" not in text.lower()
    results.save([section], tmp_path, command="again", gpu=report | {"steps": []})
    assert "123,456" not in (tmp_path / "RESULTS.md").read_text()


def test_one_seed_has_the_interval_of_its_test_images_and_several_that_of_the_seeds():
    def result(seed, accuracy):
        return {
            "model": "cnn",
            "epochs": 6,
            "seed": seed,
            "test_images": 10_000,
            "test_accuracy": accuracy,
            "training_s": 60.0,
        }

    (one,) = real_images.summary([result(0, 0.4235)])
    assert one["95 % interval"] == "41.4 to 43.3 (of 10,000 test images, not of training again)"
    (three,) = real_images.summary([result(0, 0.40), result(1, 0.42), result(2, 0.44)])
    assert three["95 % interval"] == "37.0 to 47.0 (of 3 seeds)"  # 4.303 * 2 / sqrt(3)


def test_a_table_has_every_column_that_any_row_has():
    assert markdown([{"a": 1}, {"b": 2500.0}]).splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| 1 |  |",
        "|  | 2,500 |",
    ]


def run(*arguments, timeout=600):
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=repo_root(), capture_output=True, text=True, timeout=timeout
    )


def test_every_section_runs_in_its_short_form(tmp_path):
    done = run("benchmarks", "--quick", "--repeats", "1", "--seeds", "2", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    known = json.loads((tmp_path / "results.json").read_text())
    assert {"inputs", "views", "ntxent-128", "step-cnn", "probe", "epoch-lenet", "defaults", "profile-cnn"} <= set(
        known
    )
    inputs_row = known["inputs"]["rows"]
    assert all(row["images/s"] for row in inputs_row) and known["inputs"]["machine"]["processor"]
    assert "![Times as fast" in (tmp_path / "RESULTS.md").read_text()


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["input"], "there is no section 'input'"),
        (["--quick"], "give --out"),
        (["--seeds", "1"], "--seeds 2 to 8"),
        (["--gpu", "nowhere.json"], "nowhere.json does not exist"),
    ],
)
def test_wrong_wishes_are_one_sentence(arguments, told, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2 and told in capsys.readouterr().err


def test_the_gpu_report_has_a_short_version_without_a_gpu(tmp_path):
    done = run("benchmarks.gpu_report", "--quick", "--out", str(tmp_path), "--sections", "steps,data,batch")
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["machine"]["bf16_tflops"] > 0
    steps = {(row["model"], row["variant"]): row for row in report["steps"]}
    assert all(isinstance(row["images_per_s"], int) for row in steps.values()), steps
    assert 0 < steps["cnn", "default"]["share_of_ceiling"] < 5
    assert "## steps" in (tmp_path / "report.md").read_text()
