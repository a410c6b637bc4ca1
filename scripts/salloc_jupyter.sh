#!/bin/bash
# JupyterLab on the node that you have got with salloc, as long as this terminal is open. See --help.
set -uo pipefail

usage() {
    cat <<'HELP'
Usage: bash scripts/salloc_jupyter.sh

Type it inside salloc: JupyterLab starts on the allocated node, on its loopback alone, and this prints how to reach it
from your own computer. Ctrl-C ends it. (As a job without a terminal: labkit jupyter start --site SITE.)

Example:
  salloc --time=04:00:00 --gpus=1 --mem=32G --cpus-per-gpu=8
  bash scripts/salloc_jupyter.sh
HELP
}

fail() { printf '[jupyter] STOPPED: %s\n' "$*" >&2; exit 2; }
case ${1-} in "") ;; -h | --help) usage; exit 0 ;; *) fail "unknown argument $1; see --help." ;; esac

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
python=${LABKIT_PYTHON:-$PWD/.venv/bin/python}
[ -x "$python" ] || fail "there is no .venv yet: run bash scripts/run_lab.sh once where there is a network."
[ -n "${SLURM_JOB_ID-}" ] || fail "you are in no allocation: type salloc first, see --help. Without Slurm: .venv/bin/jupyter lab notebooks/"

folder=$("$python" -c 'from labrun.jupyter import create; print(create())') || exit 1
trap 'rm -rf "$folder"' EXIT # the token goes with it
# --overlap: the shell of salloc may hold the cores of the allocation already
srun --overlap --nodes=1 --ntasks=1 "$python" -m labrun.jupyter "$folder" &
pid=$!
trap 'kill -TERM "$pid" 2>/dev/null' INT TERM HUP # srun hands it on, and the server ends
for ((second = 0; second < 120; second++)); do
    [ -s "$folder/server.json" ] && break
    kill -0 "$pid" 2>/dev/null || fail "JupyterLab did not start: $(tail -n 1 "$folder/server.log" 2>/dev/null)"
    sleep 1
done
[ -s "$folder/server.json" ] || { kill "$pid"; fail "JupyterLab is not ready after 120 s."; }
"$python" - "$folder" <<'PYTHON'
import json, os, sys
from pathlib import Path
from labrun.jupyter import directions
from labrun.slurm.squeue import command
folder = Path(sys.argv[1])
place = json.loads((folder / "server.json").read_text())
job = os.environ["SLURM_JOB_ID"]
left = command("squeue", "--noheader", f"--jobs={job}", "--format=%L").strip()
lines = directions({"name": folder.name, "time_left": left} | place, folder)[:-1]
print(*lines, "Ctrl-C here ends it.", sep="\n", flush=True)
PYTHON
while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done
