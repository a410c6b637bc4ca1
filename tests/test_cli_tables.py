"""`labkit collect --track`: each table over seeds is read back from real TensorBoard and W&B files."""

import json

import pytest
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from labkit.run_folder import RunFolder
from labrun.cli import labkit
from labrun.results.tracking import track


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    for mode, seed, value in [("b", 0, 0.5), ("b", 1, 0.7), ("a", 0, 0.1)]:
        values = {"mode": mode, "seed": seed, "preset": "tiny"}
        run = RunFolder(tmp_path / f"{mode}{seed}").create({"notebook": "mode.ipynb", "values": values})
        run.summarize(main="accuracy", accuracy=value, images_seen=640, budget_steps=5)
        run.write_status("done")
    return tmp_path


def collect(*arguments):
    done = CliRunner().invoke(labkit, ["collect", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_tensorboard_holds_means_table_and_figure_once(runs):
    for _ in range(2):  # the second call replaces the first
        collect("-q", "--track")
    events = EventAccumulator(str(runs / "tables" / "Modes-compared-mode-preset=tiny"))
    events.Reload()
    assert [point.value for point in events.Scalars("accuracy/b")] == pytest.approx([0.6])
    assert len(events.Images("figure")) == 1
    text = events.Tensors("table")[0].tensor_proto.string_val[0].decode()
    assert text.splitlines()[2] == "| b | 2 | 2 | accuracy | 0.6 | 1.271 |  | 640 | 5 |"


def test_without_the_flag_nothing_is_written(runs):
    assert "Modes compared" in collect()
    assert not (runs / "tables").exists()


def test_wandb_gets_table_and_figure_when_asked(runs, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    collect("-q", "--track")
    (table,) = runs.glob("tables/*/wandb/offline-run-*/files/media/table/*.json")
    assert [line[0] for line in json.loads(table.read_text())["data"]] == ["b", "a"]
    assert len(list(runs.glob("tables/*/wandb/offline-run-*/files/media/images/figure*.png"))) == 1


def test_long_titles_get_folders_of_their_own(runs):
    rows = [
        {
            "setting": "b",
            "runs": 1,
            "of": 1,
            "metric": "accuracy",
            "mean": 0.5,
            "half": None,
            "seconds": None,
            "images": None,
            "steps": None,
        }
    ]
    folders = list(track({"x" * 200 + "1": rows, "x" * 200 + "2": rows, "empty": []}))
    assert len(set(folders)) == 2 and all(len(folder.name) <= 80 for folder in folders)
