#!/bin/bash
# One mode of the SimCLR lab as one job: read it from top to bottom, every line has its purpose beside it.
#
#   sbatch --job-name simclr_scratch ./scripts/sbatch_one.sh --mode=simclr_scratch      queue it as a job
#   ./scripts/sbatch_one.sh --mode=simclr_scratch                                       inside salloc, or at home
#
# Lines that begin with #SBATCH are comments to bash and options to sbatch. They must stand before the first command:
# sbatch reads no further. What you type after `sbatch` wins over them, for example --time=00:30:00 or --qos=dw87.
#
#SBATCH --job-name=simclr_one
# where the output goes: %x is the job's name, %j its number; slurm_logs/ must exist, or the job dies without any message
#SBATCH --output=slurm_logs/%x_%j.out
# a job that is queued again adds to its output
#SBATCH --open-mode=append
# one computer, one task on it, and so many cores for the task
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=1
# the longest time it may take, as hours:minutes:seconds; shorter jobs wait less
#SBATCH --time=04:00:00
# Slurm may queue the job again where a node was lost or somebody more urgent came: the run goes on where it was
#SBATCH --requeue
# send this script (B:) the signal USR1 two minutes before the time is over, so that the run can save
#SBATCH --signal=B:USR1@120
# GPUs are requested by an option of sbatch that differs from site to site:
#   sbatch --gres=gpu:a100:1 --cpus-per-task=8 --mem=32G --qos=dw87 ./scripts/sbatch_one.sh --mode=...
set -uo pipefail

usage() {
    cat <<'HELP'
Usage: [sbatch [options of sbatch]] ./scripts/sbatch_one.sh --mode=MODE [--run-name NAME]

Trains and evaluates one mode of the SimCLR lab (notebooks/mode.ipynb). Works with sbatch, inside salloc, and in plain bash.

  --mode=MODE      one of those that `labkit modes` shows
  --modes=A,B,...  the job array chooses: task 0 takes A, task 1 takes B (used by sbatch_all.sh)
  --run-name NAME  name of the run and its folder, a new one (otherwise mode and job number)
  --check          only check whether the run, or every one of --modes, could start; nothing is written
  --help           this text

An earlier run goes on only where Slurm has queued this very job again; by hand that is `labkit resume NAME`.

Environment:
  MAX_STEPS      training steps (the preset's own number)      PRESET         tiny (default), full or dinov3
  DATASET        downstream set (shapes), for example cifar100      DATA_DIR       folder of the data sets (data/)
  IMAGENET_PATH  tiny-imagenet-200 to pretrain on              MODEL_PATH     folder of a pretrained DINOv3
  OUTPUT_DIR     folder of the runs (runs/)                    SEED           seed (0)
  With DATASET=folder or medium_imagenet, DATA_DIR is that set itself. Relative paths count from where you type.
  PRESET=full has no pretrained weights, which four modes start from: PRESET=dinov3, or MODEL_PATH, has.

Example:
  MAX_STEPS=500 sbatch --job-name scratch ./scripts/sbatch_one.sh --mode=scratch
HELP
}

fail() { printf '[lab] STOPPED: %s\n' "$*" >&2; exit 2; }
[ "${SLURM_EXPORT_ENV-}" != NONE ] || fail "SBATCH_EXPORT=NONE hides MAX_STEPS, SEED and the rest from this job: unset it, or add sbatch --export=ALL."

# --- 1. Which mode, and which name?
mode='' modes='' name='' check=''
while (($#)); do
    case $1 in
    --mode=*) mode=${1#*=} ;;
    --mode) mode=${2-}; shift ;;
    --modes=*) modes=${1#*=} ;;
    --run-name=*) name=${1#*=} ;;
    --run-name) name=${2-}; shift ;;
    --check) check=yes ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown option $1; see ./scripts/sbatch_one.sh --help." ;;
    esac
    shift
done
if [ -n "$modes" ]; then # a job array runs this script once per index
    IFS=, read -r -a list <<<"$modes"
    mode=${list[${SLURM_ARRAY_TASK_ID:-0}]-}
    name=${name:+$name-$mode}
fi
[ -n "$mode" ] || fail "name the mode: --mode=simclr_scratch; labkit modes shows all."

# --- 2. Where are we? sbatch runs a copy of this script from a folder of its own, but sets the folder where it was typed.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for root in "$here" "${SLURM_SUBMIT_DIR-}" "${SLURM_SUBMIT_DIR-}/.."; do
    [ -f "$root/scripts/sbatch_one.sh" ] && break
done
[ -f "$root/scripts/sbatch_one.sh" ] || fail "call sbatch from the course's folder: cd there first."
here=$PWD
cd "$root" || exit 1
mkdir -p slurm_logs

# --- 3. The environment: made once on a login node by scripts/run_lab.sh, used here.
if [ -z "${LABKIT_PYTHON-}" ]; then
    [ -x .venv/bin/python ] || fail "there is no .venv yet: run bash scripts/run_lab.sh once where there is a network."
    LABKIT_PYTHON=$PWD/.venv/bin/python
fi
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$here/$1" ;; esac; }
data=()
case ${DATASET-} in
folder | medium_imagenet) # one set at a path, not one of those in the folder of the data sets
    [ -n "${DATA_DIR-}" ] || fail "DATASET=$DATASET needs DATA_DIR=PATH: where it lies."
    data=(-p "data_dir=$(absolute "$DATA_DIR")")
    ;;
*) if [ -n "${DATA_DIR-}" ]; then LABKIT_DATA=$(absolute "$DATA_DIR") && export LABKIT_DATA; fi ;;
esac
if [ -n "${OUTPUT_DIR-}" ]; then LABKIT_RUNS=$(absolute "$OUTPUT_DIR") && export LABKIT_RUNS; fi
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-${OMP_NUM_THREADS:-1}} # threads: as many as cores were given
export HF_HUB_OFFLINE=1                                              # compute nodes have no network

# --- 4. The request, as options of `labkit run`
request=(-p "preset=${PRESET:-tiny}" --seed "${SEED:-0}" ${data[@]+"${data[@]}"})
[ -n "${MAX_STEPS-}" ] && request+=(-p "max_steps=$MAX_STEPS")
[ -n "${DATASET-}" ] && request+=(-p "dataset=$DATASET")
[ -n "${IMAGENET_PATH-}" ] && request+=(-p pretrain_dataset=tiny_imagenet -p "pretrain_dir=$(absolute "$IMAGENET_PATH")")
[ -n "${MODEL_PATH-}" ] && request+=(-p model=dinov3_vits16 -p "weights=$(absolute "$MODEL_PATH")")
if [ -n "$check" ]; then
    exec "$LABKIT_PYTHON" -m labrun.cli sweep notebooks/mode.ipynb -g "mode=${modes:-$mode}" "${request[@]}" \
        ${name:+--name "$name"} --site generic --dry-run >/dev/null
fi
request=(run notebooks/mode.ipynb -p "mode=$mode" "${request[@]}")
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
job=${job:-${SLURM_JOB_ID-}}
runs=${LABKIT_RUNS:-runs} again=''
[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && again=yes # this job was queued again
if [ -z "$name" ]; then
    first=$mode-${job:-$(date +%Y%m%d-%H%M%S)} number=1
    free=$first last=$first
    while [ -d "$runs/$free" ]; do last=$free number=$((number + 1)); free=$first-$number; done
    name=${again:+$last} # its own run
    name=${name:-$free}  # another of this mode, inside one salloc, gets a name of its own
fi
if [ -n "$again" ] && [ -d "$runs/$name" ]; then
    request=(resume "$name" --executor local) # go on from the checkpoint
else
    request+=(--name "$name") # which labkit refuses where there is such a run
fi
echo "[lab] labkit ${request[*]}"

# --- 5. Run it in the background, so that bash receives signals: at USR1 (the time limit is near) it makes the file `stop`,
# which training sees after its next step; then it saves and ends with exit code 75.
# shellcheck source=/dev/null
. labrun/slurm/requeue.sh # wait_for and requeue
"$LABKIT_PYTHON" -m labrun.cli "${request[@]}" &
pid=$!
trap 'touch "$runs/$name/stop"' USR1
trap : TERM # Slurm sends it to every process of the job itself: only wait until the run has saved
code=0
wait_for "$pid" # leaves the exit code in $code

# --- 6. 75 means saved, not finished: queue this job again, at most 20 times, and not after scancel.
[ "$code" -eq 75 ] && requeue 20
exit "$code"
