"""Throughput of the lab's own training step on 1..N processes, each really started."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from labkit.run_folder import LabError, usable_cores
from labkit.scaling.communication import Link, fit_link
from labkit.scaling.launch import Nodes, torchrun

ALLREDUCE_BYTES = (4 * 2**10, 2**16, 2**20, 2**23, 2**25)


@dataclass(frozen=True)
class Measurement:
    """One training step's time on `ranks` processes of `threads` threads; medians, all ranks waited for."""

    scaling: str  # "strong" (global batch fixed) or "weak" (batch per rank fixed); "local": parts of a step
    ranks: int
    threads: int
    batch_size: int  # per rank
    step_s: float
    images_per_second: float  # of all ranks together
    first_step_s: float  # warm-up: allocations, kernel choice, DDP's first bucket plan
    start_up_s: float  # from the launch to the first batch: imports, rendezvous, data
    phases: dict[str, float]  # input_s, forward_s, backward_s, optimizer_s; one rank with its threads only


@dataclass(frozen=True)
class Scaling:
    """All that one call of `measure` found out."""

    model: str
    dataset: str
    device: str
    precision: str
    cores: int
    threads_per_rank: int
    parameter_bytes: list[int] = field(repr=False)
    measurements: list[Measurement]
    allreduce_s: dict[int, dict[int, float]]  # world size -> message bytes -> seconds

    def link(self, world_size: int | None = None) -> Link:
        """Return the link fitted to the all-reduce times of `world_size` ranks (default: the most)."""
        if not self.allreduce_s:
            raise LabError("No all-reduce was measured on one rank alone; measure with world_sizes=(1, 2).")
        world_size = world_size or max(self.allreduce_s)
        times = self.allreduce_s[world_size]
        return fit_link(list(times), list(times.values()), world_size=world_size)

    def asdict(self) -> dict:
        """Return everything as plain numbers, for `run.record_timings`."""
        return asdict(self)


def measure(
    world_sizes: Sequence[int] = (1, 2),
    *,
    batch_size: int = 128,
    model: str = "resnet_tiny",
    dataset: str = "shapes",
    data_dir: str | None = None,
    image_size: int = 32,
    precision: str = "auto",
    windows: int = 7,
    steps_per_window: int = 2,
    seconds_per_case: float = 3.0,
    limit: int = 4096,
    allreduce_bytes: Sequence[int] = ALLREDUCE_BYTES,
    timeout_s: float = 300.0,
    nodes: Nodes | None = None,
) -> Scaling:
    """Return step times, all-reduce times and the parts of a step on each number of ranks of this machine.

    nodes: those of the Slurm job that share the ranks (one rank alone stays here), each with the cores of its
    task; see `nodes_of_job`.

    Strong: `batch_size` images per step in all. Weak: `batch_size` per rank. One rank is measured with the threads of
    one rank and with all cores: the two baselines that a speed-up may mean. GPUs: NCCL, one rank each; CPUs: gloo,
    cores shared out evenly. Medians over `windows` of `steps_per_window` steps after a warm-up (fewer, but at least 3,
    where they would take longer than `seconds_per_case`). Raises LabError for a batch that does not divide, for more
    ranks than cores or GPUs, for a rank that fails (with its log) and when one launch takes longer than `timeout_s`.
    """
    import torch

    gpus, cores = torch.cuda.device_count(), nodes.cpus if nodes else usable_cores()
    sizes = sorted({1, *world_sizes})
    spread = nodes.count if nodes else 1
    places = (gpus or cores) * spread
    for size in sizes:
        if size < 1 or size > places:
            raise LabError(f"{size} ranks do not fit on {places} cores or GPUs; give 1 to {places}.")
        if batch_size % size:
            raise LabError(f"{size} ranks cannot share a batch of {batch_size}; give a multiple of {size}.")
    threads = max(1, cores * spread // sizes[-1])
    found = {}
    for ranks in sizes:
        spec = {
            "model": model,
            "dataset": dataset,
            "data_dir": data_dir,
            "image_size": image_size,
            "precision": precision,
            "windows": windows,
            "steps_per_window": steps_per_window,
            "seconds_per_case": seconds_per_case,
            "limit": max(limit, 2 * batch_size * sizes[-1]),
            "timeout_s": timeout_s,
            "cases": _cases(ranks, sizes, batch_size, {threads} if gpus else {threads, cores}),
            "phase_threads": threads if ranks == 1 else None,
            "allreduce_bytes": list(allreduce_bytes) if ranks > 1 else [],
        }
        place = nodes if ranks > 1 else None
        with tempfile.TemporaryDirectory(prefix="labkit-scaling-", dir=place.folder if place else None) as folder:
            spec_file, result_file = Path(folder, "spec.json"), Path(folder, "result.json")
            spec_file.write_text(json.dumps(spec | {"launched_at": time.time()}))
            command = ["-m", "labkit.scaling.worker", str(spec_file), str(result_file)]
            torchrun(command, ranks=ranks, threads=threads, timeout_s=timeout_s, nodes=place)
            found[ranks] = json.loads(result_file.read_text())
    one = found[1]
    return Scaling(
        model=model,
        dataset=dataset,
        device=one["device"],
        precision=one["precision"],
        cores=cores,
        threads_per_rank=threads,
        parameter_bytes=one["parameter_bytes"],
        measurements=[Measurement(**row) for launch in found.values() for row in launch["rows"]],
        allreduce_s={r: {int(b): s for b, s in a["allreduce_s"].items()} for r, a in found.items() if r > 1},
    )


def _cases(ranks: int, sizes: Sequence[int], batch_size: int, threads: set[int]) -> list[dict]:
    """Return what one launch measures. On one rank, both scalings start from one step, and have the fewest threads."""
    each = min(threads)
    if ranks > 1:
        batches = {"strong": batch_size // ranks, "weak": batch_size}
        return [{"scaling": s, "batch_size": b, "threads": each} for s, b in batches.items()]
    cases = [{"scaling": "strong", "batch_size": batch_size, "threads": t} for t in sorted(threads)]
    local = sorted({batch_size // size for size in sizes} - {batch_size})
    return cases + [{"scaling": "local", "batch_size": b, "threads": each} for b in local]
