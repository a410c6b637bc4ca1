#!/bin/bash
# One training on several nodes: torchrun on each, started by srun. Works with sbatch and inside salloc. See --help.
#
# Lines that begin with #SBATCH are options to sbatch; what you type after `sbatch` wins over them.
#
#SBATCH --job-name=ddp
#SBATCH --output=slurm_logs/%x_%j.out
#SBATCH --open-mode=append
# two computers, ONE task on each: the task is torchrun, which starts the ranks of its computer itself
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=1
#SBATCH --time=01:00:00
#SBATCH --requeue
# two minutes before the end, signal this script (B:), so that the training can save
#SBATCH --signal=B:USR1@120
set -uo pipefail

usage() {
    cat <<'HELP'
Usage: sbatch [options of sbatch] ./scripts/train_ddp.sh [options of the training]

Trains one model with one rank per GPU (per node where there is none) on all nodes of the job. Before the time limit it
saves, and the job is queued again. The run's folder is runs/ddp-<job>.

  --model, --dataset, --data-dir, --image-size, --epochs, --batch-size (of each rank), --lr, --seed, --timeout
  --mode, --preset, --pretrain-dataset, --pretrain-dir, --max-steps: a mode of the SimCLR lab, its batches shared by all ranks
  --help           this text

Environment: RANKS_PER_NODE (otherwise the node's GPUs, or 1), DDP_PROGRAM (-m labkit.scaling.train_ranks),
DDP_ADDRESS (where the ranks meet, otherwise the first host), OUTPUT_DIR (runs/), DATA_DIR (folder of the data sets, data/); relative paths count from where you type.

Examples:
  sbatch --nodes=2 --gpus-per-node=4 ./scripts/train_ddp.sh --model resnet18 --dataset cifar10 --epochs 10
  sbatch --nodes=1 --gpus-per-node=8 ./scripts/train_ddp.sh --mode simclr_scratch --preset full --dataset tiny_imagenet
HELP
}

fail() { printf '[ddp] STOPPED: %s\n' "$*" >&2; exit 2; }
case ${1-} in -h | --help) usage; exit 0 ;; esac
[ -n "${SLURM_JOB_ID-}" ] || fail "this needs nodes of Slurm: sbatch ./scripts/train_ddp.sh, or salloc --nodes=2 first."

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for root in "$here" "${SLURM_SUBMIT_DIR-}" "${SLURM_SUBMIT_DIR-}/.."; do
    [ -f "$root/scripts/train_ddp.sh" ] && break
done
[ -f "$root/scripts/train_ddp.sh" ] || fail "call sbatch from the course's folder: cd there first."
typed_in=$PWD
cd "$root" || exit 1
mkdir -p slurm_logs
python=${LABKIT_PYTHON:-$PWD/.venv/bin/python}
[ -x "$python" ] || fail "there is no .venv yet: run bash scripts/run_lab.sh once where there is a network."
# shellcheck source=/dev/null
. labrun/slurm/requeue.sh # wait_for and requeue
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$typed_in/$1" ;; esac; }
if [ -n "${DATA_DIR-}" ]; then LABKIT_DATA=$(absolute "$DATA_DIR") && export LABKIT_DATA; fi
LABKIT_RUN_DIR=$(absolute "${OUTPUT_DIR:-$PWD/runs}")/ddp-$SLURM_JOB_ID
export LABKIT_RUN_DIR
mkdir -p "$(dirname "$LABKIT_RUN_DIR")"
rm -f "$LABKIT_RUN_DIR/stop" # left by the attempt before

# --- One torchrun per node, all of which meet on the first host: `python -m labkit.scaling` finds its address and becomes
# srun. A rank that dies ends the training on all nodes.
read -r -a program <<<"${DDP_PROGRAM:--m labkit.scaling.train_ranks}"
"$python" -m labkit.scaling "${program[@]}" "$@" &
pid=$!
trap 'mkdir -p "$LABKIT_RUN_DIR"; touch "$LABKIT_RUN_DIR/stop"' USR1 # all ranks save at the same step and end
trap : TERM # Slurm signals the ranks itself: only wait until they have saved
code=0
wait_for "$pid" # leaves the exit code in $code

if grep -qs '"state": "interrupted"' "$LABKIT_RUN_DIR/status.json"; then # it has saved and is not finished
    requeue 20
    exit 75
fi
((code == 0)) || echo "[ddp] STOPPED: a rank failed (exit code $code); its output stands above, and in slurm_logs/ddp_$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}." >&2
exit "$code"
