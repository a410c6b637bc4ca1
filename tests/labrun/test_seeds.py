"""Many seeds as one row: only repeated settings are gathered, failures count, the best comes first."""

import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from labkit.run_folder import RunFolder
from labrun.results import collect, seeds, tables
from labrun.results.page import page
from labrun.results.tracking import track


def row(setting, seed, value, state="done", **more):
    return {
        "id": f"s-{setting}-{seed}",
        "setting": setting,
        "state": state,
        "metric": "accuracy",
        "value": value,
        "seconds": 10.0 + seed,
        "varied": f"{setting}, seed={seed}",
        "parent": "s",
        "created": seed,
        "message": "",
        "place": "",
        "title": "A lesson",
        "curves": [],
        "figures": [],
        "files": {},
    } | more


def test_settings_are_gathered_best_first_and_failures_count():
    rows = [
        row("mode=a", 0, 0.2),
        row("mode=a", 1, 0.4),
        row("mode=b", 0, 0.9, **{"m.images_seen": 640}),
        row("mode=b", 1, None, state="failed"),
        row("mode=c", 0, None, state="running"),
    ]
    best, second, last = seeds.over_seeds(rows)
    assert [best[key] for key in ("setting", "runs", "of", "mean", "half")] == ["mode=b", 1, 2, 0.9, None]
    assert second["mean"] == pytest.approx(0.3) and second["half"] == pytest.approx(12.706 * 0.1, rel=1e-3)
    assert best["images"] == 640 and second["seconds"] == 10.5 and last["mean"] is None


def test_a_sweep_without_repeats_has_no_such_table():
    assert seeds.over_seeds([row("lr=1", 0, 0.1), row("lr=2", 0, 0.2)]) == []
    assert seeds.over_seeds([row("", 0, 0.1), row("", 1, 0.2)]) == []  # no sweep
    assert seeds.over_seeds([]) == []


@pytest.fixture
def seed_sweep(tmp_path, monkeypatch):
    """The folders that `labkit sweep train -g seed=0,1,2 -p epochs=1` leaves, with results 0.2, 0.3, 0.4."""
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path))
    for seed in range(3):
        spec = {"notebook": "notebooks/train.ipynb", "parent": "sweep", "varied": ["seed"]}
        given = {"epochs": 1, "seed": seed}
        run = RunFolder(tmp_path / f"sweep-{seed + 1}")
        run.create(spec | {"parameters": given, "values": given | {"lr": 0.1}})
        run.summarize(main="accuracy", accuracy=0.2 + seed / 10)
        run.write_status("done", created=seed, seconds=10)
    return tmp_path


def test_a_sweep_over_seeds_alone_is_one_row_everywhere(seed_sweep, capsys, monkeypatch):
    known = collect.rows()
    ((title, (one,)),) = collect.tables(known).items()
    assert title == "sweep, over seeds" and (one["setting"], one["runs"], one["of"]) == ("epochs=1", 3, 3)
    assert one["mean"] == pytest.approx(0.3) and one["half"] == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)
    text = collect.refresh_page().read_text()
    assert 'epochs=1</th><td class="num">3 of 3' in text and "0.3 ± 0.25" in text
    tables.print_results(known)
    assert "epochs=1  3 of 3  accuracy  0.3   0.2484" in capsys.readouterr().out
    (folder,) = track(collect.tables(known))
    events = EventAccumulator(str(folder))
    events.Reload()
    assert [point.value for point in events.Scalars("accuracy/epochs=1")] == pytest.approx([0.3])


def test_page_and_trackers_are_written_without_torch(seed_sweep):
    code = (
        "import sys\nfrom labrun.results import collect, tracking\ncollect.refresh_page()\n"
        "list(tracking.track(collect.tables(collect.rows())))\nprint({'torch', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
    assert (seed_sweep / "index.html").is_file() and list(seed_sweep.glob("tables/*/events*"))


def test_a_sweep_over_seeds_of_the_defaults_is_named_so(seed_sweep):
    spec = {"varied": ["seed"], "parameters": {"seed": 1}, "values": {"seed": 1, "lr": 0.1}}
    assert collect.setting(spec) == "defaults"
    assert collect.setting(spec | {"varied": ["lr", "seed"]}) == "lr=0.1"
    assert collect.setting({"values": {"seed": 1}}) == ""


def test_the_page_shows_mean_and_interval():
    rows = [row("mode=<a>", seed, 0.2 + seed / 10, **{"m.images_seen": 40960}) for seed in range(3)]
    text = page(rows + [row("mode=b", seed, 0.5) for seed in range(3)])
    assert "mean with 95 % interval over seeds" in text and "0.3 ± 0.25" in text and "40,960" in text
    assert "mode=&lt;a&gt;" in text and "mode=<a>" not in text
    places = [text.index(f'{name}</th><td class="num">3 of 3') for name in ("mode=b", "mode=&lt;a&gt;")]
    assert places == sorted(places)  # best first


def mode(name, seed, value, **more):
    return row(
        f"mode={name}",
        seed,
        value,
        **{"notebook": "mode", "parent": None, "p.mode": name, "p.seed": seed, "p.preset": "tiny", "p.max_steps": 0}
        | more,
    )


def test_modes_are_one_table_however_they_were_started():
    rows = [
        mode("b", 0, 0.9),
        mode("a", 1, 0.4, parent="sweep"),
        mode("a", 0, 0.2),
        mode("a", 0, 0.7),
        mode("a", 0, None, **{"p.max_steps": 5}),
        row("lr=1", 0, 0.3, notebook="train"),
    ]
    ((title, (best, second)),) = seeds.over_modes(rows).items()
    assert title == "Modes compared: mode, preset=tiny"  # another budget is another question
    assert best["setting"] == "b" and second["runs"] == 2
    assert second["mean"] == pytest.approx(0.3)  # of mode a, seed 0 the newest run counts
    assert title in page(rows)


def test_an_unfinished_run_does_not_hide_a_finished_one():
    rows = [mode("a", 0, None, state="running"), mode("a", 0, 0.2), mode("b", 0, 0.1)]
    (found,) = seeds.over_modes(rows).values()
    assert [one["mean"] for one in found] == [0.2, 0.1]


def test_one_mode_alone_is_no_table():
    assert seeds.over_modes([mode("a", 0, 0.2), mode("a", 1, 0.3)]) == {}


def test_an_interval_is_drawn_across_the_end_of_its_bar():
    text = page([mode("a", 0, 0.25), mode("a", 1, 0.75), mode("b", 0, 10.0)])
    half = 12.706 * 0.25
    assert f"H{180 * (0.5 + half) / 10:.1f}" in text and "M0.0 3v6" in text  # not left of nothing
