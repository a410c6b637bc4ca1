"""RESULTS.md, results.json and the figure: what was measured, where, when and by which command."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.compare import Section
from benchmarks.tables import markdown
from labkit import plots
from labkit.run_folder import atomic_write, usable_cores
from labrun.runner.machine import describe, memory_gb, processor

PACKAGES = ("torch", "torchvision", "kornia", "lightly", "pytorch-metric-learning", "scikit-learn", "pillow")
GPU = "gpu"  # in results.json: what scripts/gpu_report.sh measured, beside the sections
HEADLINES = {  # section: (what is compared, the row whose ratio counts)
    "inputs": ("input pipeline / PIL", "labkit Batches, default"),
    "views": ("SimCLR view with blur / PIL", "labkit Batches, views=2, blur"),
    "ntxent-512": ("NT-Xent 2B = 512 / lightly", "labkit nt_xent"),
    "ntxent-2048": ("NT-Xent 2B = 2,048 / lightly", "labkit nt_xent"),
    "ntxent-8192": ("NT-Xent 2B = 8,192 / lightly", "labkit nt_xent"),
    "step-cnn": ("step of cnn / plain loop", "labkit, default step"),
    "step-resnet18": ("step of resnet18 / plain loop", "labkit, default step"),
    "step-wide_resnet": ("step of wide_resnet / plain loop", "labkit, default step"),
    "epoch-lenet": ("epoch of lenet / plain loop", "labkit fit, checkpoint and record included"),
    "epoch-resnet_tiny": ("epoch of resnet_tiny / plain loop", "labkit fit, checkpoint and record included"),
    "probe": ("linear probe / scikit-learn", "labkit linear_probe"),
}


def machine() -> dict[str, str]:
    """Return what a reader needs to judge the figures: processor, cores, memory, versions, date."""
    known = describe()["packages"]
    versions = ", ".join(f"{name} {known[name]}" for name in PACKAGES if name in known)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": str(usable_cores()),
        "threads": str(torch.get_num_threads()),
        "memory": f"{memory_gb():.0f} GB",
        "versions": versions,
    }


def save(sections: Sequence[Section], folder: Path, *, command: str, gpu: dict | None) -> Path:
    """Merge the sections into results.json and write RESULTS.md and the figure anew; return RESULTS.md.

    gpu: report.json of a GPU, kept as the sections are; None leaves the one that is known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "results.json"
    known = json.loads(store.read_text()) if store.is_file() else {}
    here = machine() | {"command": command}
    known |= {section.key: asdict(section) | {"machine": here} for section in sections}
    known |= {} if gpu is None else {GPU: gpu}
    atomic_write(store, json.dumps(known, indent=1))
    drawn = draw(known, folder / "results.png")
    return atomic_write(folder / "RESULTS.md", document(known, drawn=drawn))


def document(known: dict[str, dict], *, drawn: str) -> str:
    """Return RESULTS.md."""
    parts = [
        "# Measured: labkit beside its peers\n",
        "Written by `python -m benchmarks`; every contender of a table ran in one process, its rounds "
        "interleaved with the others', after a warm-up. Figures are medians, with quartiles.\n",
    ]
    if drawn:
        parts.append(f"![{drawn}](results.png)\n")
    before = None
    for section in (value for key, value in known.items() if key != GPU):
        place = section["machine"]
        if place != before:
            parts.append(
                "Measured "
                + "; ".join(
                    f"{place[key]}{unit}"
                    for key, unit in (
                        ("date", ""),
                        ("processor", ""),
                        ("cores", " cores"),
                        ("threads", " threads"),
                        ("memory", ""),
                        ("versions", ""),
                    )
                )
                + f"; `{place['command']}`.\n"
            )
            before = place
        parts += [f"## {section['title']}\n", markdown(section["rows"])]
        parts += [f"{note}\n" for note in section["notes"]]
    return "\n".join(parts + ["## On a GPU\n", _gpu(known.get(GPU))])


def _gpu(report: dict | None) -> str:
    if report is None:
        from benchmarks.gpu_report import TARGETS

        rows = [
            {"model": name, "images/s": "not measured", "target on one H200": target}
            for name, (target, _) in TARGETS.items()
        ]
        return markdown(rows) + "\nNot measured: `bash scripts/gpu_report.sh` measures these rows where a GPU is.\n"
    return "\n".join(
        f"### {title}\n\n{markdown(rows if isinstance(rows, list) else [rows])}" for title, rows in report.items()
    )


def ratios(known: dict[str, dict]) -> dict[str, float]:
    """Return how many times as fast as its peer labkit is, by what is compared."""
    found = {}
    for key, (label, name) in HEADLINES.items():
        rows = known.get(key, {}).get("rows", [])
        ratio = next((row.get("ratio") for row in rows if row[""] == name), None)
        if ratio:
            found[label] = ratio
    return found


def draw(known: dict[str, dict], path: Path) -> str:
    """Draw the ratios and return the figure's alt text ("" where nothing can be drawn)."""
    found = ratios(known)
    if not found:
        return ""
    fig = plots.plot_bars(found, x_label="Times as fast as the peer (logarithmic)", form="{:.1f}", log=True)
    fig.savefig(path, dpi=110, metadata={"Software": None})
    return "Times as fast as the peer: " + ", ".join(f"{name} {ratio:.1f}" for name, ratio in found.items()) + "."
