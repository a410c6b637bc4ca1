"""Everything that needs a GPU, measured by one command in under 8 minutes: `bash scripts/gpu_report.sh`.

Needs torch, torchvision, numpy and pydantic alone. Without a GPU a short CPU version of every section runs,
so that the command is tested everywhere. Writes report.json and report.md.
"""

import argparse
import json
import logging
import platform
import time
from pathlib import Path

import torch

from benchmarks import gpu_training
from benchmarks.steps import STEPS, Case, batches_for, make_update, measure_step
from benchmarks.tables import markdown
from labkit import profiling
from labkit.data.batches import pick_device

TARGETS = {  # images/s on one H200: (target, stretch)
    "wide_resnet": (25_000, 30_000),
    "resnet18": (55_000, 70_000),
    "resnet34": (28_000, 36_000),
    "alexnet 70 px": (300_000, None),
    "vit-s/16 224 px": (11_000, 13_000),
    "simclr resnet18": (20_000, 30_000),
}


def measure_machine(device: torch.device, *, quick: bool) -> dict:
    """Return the device's name, versions, and its own rates: dense bf16 products and copies."""
    side, elements = (8192, 2**30) if not quick else (512, 2**20)
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    flops = 2 * side**3 / profiling.time_calls(lambda: a @ b, device=device, warmup=3, repeats=7).median_s
    source = torch.empty(elements, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    copies = profiling.time_calls(lambda: target.copy_(source), device=device, warmup=3, repeats=7)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": name,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "bf16_tflops": round(flops / 1e12, 4),
        "copy_tb_per_s": round(2 * source.nbytes / copies.median_s / 1e12, 4),
    }


def measure_steps(device: torch.device, machine: dict, *, quick: bool, out_of_time) -> list[dict]:
    """Return one row per model and variant: images/s of whole training steps, data included."""
    rows = []
    for case in STEPS(quick):
        if out_of_time():
            rows.append({"model": case.title, "variant": case.variant, "images_per_s": "not measured"})
            continue
        row = {"model": case.title, "variant": case.variant, "batch": case.batch_size} | attempt(case, device)
        if isinstance(row.get("images_per_s"), int):
            row |= against_the_ceiling(row, case, machine)
        rows.append(row)
        print("  ", " ".join(f"{k}={v}" for k, v in row.items()), flush=True)
    return rows


def attempt(case: Case, device: torch.device) -> dict:
    """Measure one case; a case that cannot run here says why and stops nothing."""
    try:
        return measure_step(case, device)
    except Exception as error:  # a report with one gap is better than none
        return {"images_per_s": "failed", "why": f"{type(error).__name__}: {error}"[:160]}
    finally:
        torch.compiler.reset()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def against_the_ceiling(row: dict, case: Case, machine: dict) -> dict:
    """Return the share of the machine's own bf16 rate: a step is 3 forwards (one, and a backward of two)."""
    flop = 3 * case.views * profiling.flops(case.build(torch.device("cpu")), case.image_size)
    ceiling = machine["bf16_tflops"] * 1e12 / flop
    target, stretch = TARGETS.get(case.title, (None, None))
    return {"share_of_ceiling": round(row["images_per_s"] / ceiling, 3), "target": target, "stretch": stretch}


def find_largest_batch(device: torch.device, *, quick: bool) -> list[dict]:
    """Return images/s and peak memory of ResNet18 steps with batches of 32 * 4^k until memory ends."""

    def make_step(batch: int):
        case = Case("resnet18", "resnet_tiny" if quick else "resnet18", batch)
        fixed = next(batches_for(case, device, images=batch).epoch(0))
        return make_update(case, device, iter(lambda: fixed, None))

    sizes = [32 * 4**k for k in range(2 if quick else 9)]
    return profiling.throughput_by_batch(make_step, sizes, device=device, repeats=3)


def document(report: dict) -> str:
    """Return the report as a page of tables."""
    parts = [f"# GPU report: {report['machine']['device']}, {report['machine']['date']}\n"]
    parts += [f"## {title}\n\n{markdown(rows if isinstance(rows, list) else [rows])}" for title, rows in report.items()]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="gpu_report", description=__doc__)
    parser.add_argument("--data", help="CIFAR-10 as class folders of JPEGs: train/ and test/")
    parser.add_argument("--out", default="runs/gpu_report", help="folder for report.json and report.md")
    parser.add_argument("--minutes", type=float, default=8, help="skip what would begin after this long")
    parser.add_argument("--sections", default="steps,data,batch,train,simclr", help="which parts, by comma")
    parser.add_argument("--quick", action="store_true", help="the short version, as without a GPU")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    began, device = time.perf_counter(), pick_device()
    quick = options.quick or device.type != "cuda"
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)

    def out_of_time() -> bool:
        return time.perf_counter() - began > 60 * options.minutes * 0.8

    report = {"machine": measure_machine(device, quick=quick)}
    sections = {
        "train": lambda: gpu_training.time_to_accuracy(device, options.data, quick=quick),
        "simclr": lambda: gpu_training.simclr_on_real_images(device, options.data, quick=quick),
        "steps": lambda: measure_steps(device, report["machine"], quick=quick, out_of_time=out_of_time),
        "data": lambda: gpu_training.share_of_time_waiting(device, quick=quick),
        "batch": lambda: find_largest_batch(device, quick=quick),
    }
    for name, measure in sections.items():
        if name not in options.sections.split(","):
            continue
        print(f"[{time.perf_counter() - began:5.0f} s] {name}", flush=True)
        report[name] = [{"not measured": "no time left"}] if out_of_time() else measure()
        (out / "report.json").write_text(json.dumps(report, indent=1))
        (out / "report.md").write_text(document(report))
    print(document(report))
    print(f"{time.perf_counter() - began:.0f} s; written to {out / 'report.md'}")


if __name__ == "__main__":
    main()
