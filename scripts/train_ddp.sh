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
# two minutes before the end, tell this script (B:), so that the training can save
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
OUTPUT_DIR (runs/), DATA_DIR (folder of the data sets, data/); relative paths count from where you type.

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
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$typed_in/$1" ;; esac; }
[ -n "${DATA_DIR-}" ] && export LABKIT_DATA=$(absolute "$DATA_DIR")
export LABKIT_RUN_DIR=$(absolute "${OUTPUT_DIR:-$PWD/runs}")/ddp-$SLURM_JOB_ID
mkdir -p "$(dirname "$LABKIT_RUN_DIR")"
rm -f "$LABKIT_RUN_DIR/stop" # left by the attempt before

# --- Where do the ranks meet? On the first host of the allocation. If its name does not resolve, each node would
# wait for itself, so this stops instead. (Slurm may know an address that the name service does not.)
nodes=$SLURM_JOB_NUM_NODES
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(scontrol show node "$first" | grep -o 'NodeAddr=[^ ]*' | cut -d= -f2)
[ -n "${DDP_ADDRESS-}" ] && address=$DDP_ADDRESS
getent hosts "$address" >/dev/null || fail "the first host of this job, $first ($address), does not resolve here; tell your site's staff, or set DDP_ADDRESS."
port=$((20000 + SLURM_JOB_ID % 20000)) # jobs that share a node meet at ports of their own
ranks=${RANKS_PER_NODE:-$(nvidia-smi --list-gpus 2>/dev/null | grep -c . || true)}
((ranks > 0)) || ranks=1
case $address in 127.*) local_address=(--local-addr "$address") ;; *) local_address=() ;; esac
export OMP_NUM_THREADS=$((${SLURM_CPUS_PER_TASK:-1} / ranks > 0 ? ${SLURM_CPUS_PER_TASK:-1} / ranks : 1))
read -r -a program <<<"${DDP_PROGRAM:--m labkit.scaling.train_ranks}"
echo "[ddp] $nodes nodes x $ranks ranks meet at $first ($address:$port); run folder $LABKIT_RUN_DIR"

# --- One torchrun per node. --tee=3 shows what each rank says; no restarts: a rank that dies ends the training, and
# --kill-on-bad-exit ends the other nodes, too. (srun must be told the cores of a task: it takes none from the job.)
srun --nodes="$nodes" --ntasks="$nodes" --ntasks-per-node=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --kill-on-bad-exit=1 --label \
    "$python" -m torch.distributed.run --nnodes="$nodes" --nproc-per-node="$ranks" --max-restarts=0 \
    --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}" --rdzv-endpoint="$address:$port" \
    --rdzv-conf=join_timeout=120,timeout=120 ${local_address[@]+"${local_address[@]}"} \
    --tee=3 --log-dir="slurm_logs/ddp_$SLURM_JOB_ID" "${program[@]}" "$@" &
pid=$!
trap 'mkdir -p "$LABKIT_RUN_DIR"; touch "$LABKIT_RUN_DIR/stop"' USR1 # all ranks save at the same step and end
trap : TERM
wait "$pid"; code=$?
while kill -0 "$pid" 2>/dev/null; do wait "$pid"; code=$?; done
wait "$pid" 2>/dev/null; last=$?; [ "$last" -ne 127 ] && code=$last

if grep -qs '"state": "interrupted"' "$LABKIT_RUN_DIR/status.json"; then
    if [ "${SLURM_RESTART_COUNT:-0}" -lt 20 ] && [[ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format='%T %r')" =~ RUNNING|TimeLimit ]]; then
        echo "[ddp] saved; the job is queued again."
        scontrol requeue "$SLURM_JOB_ID" && sleep 60
    fi
    exit 75
fi
((code == 0)) || echo "[ddp] STOPPED: a rank failed (exit code $code); its own words stand above, and in slurm_logs/ddp_$SLURM_JOB_ID." >&2
exit "$code"
