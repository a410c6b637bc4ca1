"""python -m labkit.scaling PROGRAM ...: torchrun on all nodes of the Slurm job around it, for scripts/train_ddp.sh.

PROGRAM is a script, or -m and a module, with its arguments. It replaces this process by srun, so that a signal
meets the ranks. RANKS_PER_NODE: otherwise the GPUs of a node, or 1.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from labkit.run_folder import LabError
from labkit.scaling.launch import nodes_of_job, torchrun_command


def main(program: list[str]) -> None:
    attempt = os.environ.get("SLURM_RESTART_COUNT", "0")
    logs = Path("slurm_logs", f"ddp_{os.environ['SLURM_JOB_ID']}-{attempt}")
    nodes = nodes_of_job(logs.parent, least=1)
    if nodes is None:
        raise LabError("SLURM_JOB_NUM_NODES is missing: start this inside a job, see scripts/train_ddp.sh --help.")
    gpus = ""
    with suppress(OSError, subprocess.SubprocessError):  # no nvidia-smi: no GPU
        listing = ["nvidia-smi", "--list-gpus"]
        gpus = subprocess.run(listing, capture_output=True, text=True, timeout=30, check=True).stdout
    ranks = int(os.environ.get("RANKS_PER_NODE") or gpus.count("GPU ") or 1)
    command = torchrun_command(program, ranks=ranks * nodes.count, log_dir=logs, nodes=nodes)
    place = f"meet at {nodes.address}:{nodes.port}; run folder {os.environ.get('LABKIT_RUN_DIR', 'of their own')}"
    print(f"[ddp] {nodes.count} nodes x {ranks} ranks {place}", flush=True)
    os.environ["OMP_NUM_THREADS"] = str(max(1, nodes.cpus // ranks))
    os.execvp(command[0], command)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LabError as error:
        print(f"[ddp] STOPPED: {error}", file=sys.stderr)
        sys.exit(2)
