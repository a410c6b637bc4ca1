"""Many seeds as one row: only repeated settings are gathered, failures count, the best comes first."""

import pytest

from labkit.cluster import seeds
from labkit.cluster.page import page


def row(setting, seed, value, state="done", **more):
    return {"id": f"s-{setting}-{seed}", "setting": setting, "state": state, "metric": "accuracy",
            "value": value, "seconds": 10.0 + seed, "varied": f"{setting}, seed={seed}", "parent": "s",
            "created": seed, "message": "", "place": "", "title": "A lesson", "figures": [],
            "files": {}} | more


def test_settings_are_gathered_best_first_and_failures_count():
    rows = [row("mode=a", 0, 0.2), row("mode=a", 1, 0.4), row("mode=b", 0, 0.9, **{"m.images_seen": 640}),
            row("mode=b", 1, None, state="failed"), row("mode=c", 0, None, state="running")]
    best, second, last = seeds.over_seeds(rows)
    assert [best[key] for key in ("setting", "runs", "of", "mean", "half")] == ["mode=b", 1, 2, 0.9, None]
    assert second["mean"] == pytest.approx(0.3) and second["half"] == pytest.approx(12.706 * 0.1, rel=1e-3)
    assert best["images"] == 640 and second["seconds"] == 10.5 and last["mean"] is None


def test_a_sweep_without_repeats_has_no_such_table():
    assert seeds.over_seeds([row("lr=1", 0, 0.1), row("lr=2", 0, 0.2)]) == []
    assert seeds.over_seeds([row("", 0, 0.1), row("", 1, 0.2)]) == []
    assert seeds.over_seeds([]) == []


def test_the_page_shows_mean_and_interval():
    rows = [row("mode=<a>", seed, 0.2 + seed / 10, **{"m.images_seen": 40960}) for seed in range(3)]
    text = page(rows + [row("mode=b", seed, 0.5) for seed in range(3)])
    assert "mean with 95 % interval over seeds" in text and "0.3 ± 0.25" in text and "40,960" in text
    assert "mode=&lt;a&gt;" in text and "mode=<a>" not in text
    places = [text.index(f'{name}</th><td class="num">3 of 3') for name in ("mode=b", "mode=&lt;a&gt;")]
    assert places == sorted(places)                          # best first
