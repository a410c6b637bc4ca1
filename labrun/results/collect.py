"""All runs as one table: for the terminal, for CSV, for a notebook's DataFrame and for the results page."""

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from labkit.run_folder import RunFolder, atomic_write, make_folder, runs_dir
from labrun.results.page import curves, number, page
from labrun.results.seeds import over_modes, over_seeds
from labrun.state import all_runs, elapsed, observe


def rows(runs: Iterable[RunFolder] | None = None) -> list[dict]:
    """Return one flat dict per run, newest first; `p.` marks parameters, `m.` metrics, `t.` timings."""
    return [row(run) for run in (all_runs() if runs is None else runs)]


def row(run: RunFolder) -> dict:
    """Return what is known of a run, flat: id, notebook, state, seconds, metric, value, then p.* m.* t.*.

    place: where it is, or where it stopped: its cell, and while it runs the heading above it.
    """
    status, spec, summary, timings = observe(run), read_spec(run), run.read_summary(), run.read_timings()
    seconds = elapsed(status)
    metric, value = headline(summary, timings)
    place = f"cell {status['cell']} of {status.get('cells', '?')}" if "cell" in status else ""
    if place and status["state"] == "running" and status.get("heading"):
        place += f": {status['heading']}"
    known = {
        "id": run.id,
        "notebook": Path(spec.get("notebook") or "interactive").stem,
        "state": status["state"],
        "seconds": None if seconds is None else round(seconds, 1),
        "metric": metric,
        "value": value,
        "varied": label(spec),
        "setting": setting(spec),
        "parent": spec.get("parent"),
        "created": status.get("created"),
        "message": status.get("message"),
        "place": place,
    }
    groups = {"p": spec.get("values", {}), "m": summary, "t": timings}
    return known | {
        f"{mark}.{name}": value
        for mark, group in groups.items()
        for name, value in group.items()
        if isinstance(value, int | float | str | bool) and not (name == "main" and mark != "p")
    }


def read_spec(run: RunFolder) -> dict:
    """Return the run's specification without what is not of its type: a damaged record spoils no table."""
    kinds: dict[str, type] = {"values": dict, "parameters": dict, "varied": list, "notebook": str, "parent": str}
    found: dict = {name: one for name, one in run.read_spec().items() if isinstance(one, kinds.get(name, object))}
    return found | {"varied": [name for name in found.get("varied", []) if isinstance(name, str)]}


def headline(*groups: dict) -> tuple[str | None, object]:
    """Return name and value of what a run is about: of the first group that names its "main" number."""
    named = next((group for group in groups if "main" in group), {})
    return named.get("main"), named.get(named.get("main"))


def to_csv(table: list[dict]) -> str:
    """Return the table as CSV, with a column for everything that any run has."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for one in table for name in one)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def refresh_page() -> Path:
    """Write `runs/index.html`, the results page of all runs as they are now, and return its path. Loads no torch."""
    from labrun.spec import first_heading  # imports pydantic, which `labkit status` does without

    entries = []
    for run in all_runs():
        offered = {"Executed notebook": run.html, "Log": run.log_file, "Metrics": run.metrics_file}
        offered = {name: path for name, path in (offered | {"Environment": run.env_file}).items() if path.is_file()}
        known = row(run) | {"curves": curves(run), "figures": []}
        for path in sorted(run.figures.glob("*.png"), key=lambda path: path.stat().st_mtime):
            from PIL import Image

            alt = path.stem.replace("_", " ")
            with suppress(OSError), Image.open(path) as image:
                alt = str(image.info.get("Description") or alt)
            known["figures"].append({"path": f"{run.id}/figures/{path.name}", "alt": alt})
        known["files"] = {name: f"{run.id}/{path.relative_to(run.path)}" for name, path in offered.items()}
        known["files"]["Record"] = f"{run.id}/"
        notebook = Path(read_spec(run).get("notebook") or "interactive session")
        entries.append(known | {"title": first_heading(run.source) or notebook.stem})
    make_folder(runs_dir())
    return atomic_write(runs_dir() / "index.html", page(entries))


def tables(known: list[dict]) -> dict[str, list[dict]]:
    """Return title -> rows of `seeds`, for sweeps that repeat seeds and for SimCLR's modes, of what `rows` returns."""
    found = {}
    for name in dict.fromkeys(filter(None, (one["parent"] for one in known))):
        if means := over_seeds([one for one in known if one["parent"] == name]):
            found[f"{name}, over seeds"] = means
    return found | over_modes(known)


def label(spec: dict, *, without: Iterable[str] = ()) -> str:
    """Return what sets a run apart from its siblings, as `lr=0.1, batch_size=64`."""
    return ", ".join(
        f"{name}={spec.get('values', {}).get(name)}" for name in spec.get("varied", []) if name not in without
    )


def setting(spec: dict) -> str:
    """Return what runs of a sweep share that differ in their seed alone (or "defaults"); "" in no sweep."""
    shared = label(spec, without=("seed",))
    if shared or "seed" not in spec.get("varied", []):
        return shared
    given = {name: value for name, value in spec.get("parameters", {}).items() if name != "seed"}
    return ", ".join(f"{name}={value}" for name, value in given.items()) or "defaults"


def sentence(known: dict) -> str:
    """Return a row in a line: what is special about the run, its state, its main metric or its message."""
    result = f"{known['metric']} {number(known['value'])}" if known["metric"] else known["message"] or ""
    return "  ".join(filter(None, [known["varied"] or known["id"], known["state"], result]))
