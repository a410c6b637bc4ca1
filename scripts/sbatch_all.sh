#!/bin/bash
# All modes of the SimCLR lab: one job array of sbatch_one.sh, so that every mode gets the same budget. See --help.
set -uo pipefail

usage() {
    cat <<'HELP'
Usage: ./scripts/sbatch_all.sh [--modes=A,B,...] [--at-once N] [--run-name NAME] [options of sbatch]

Submits one job array: task 0 runs the first mode, task 1 the second, and so on; each is a run of its own. Without
Slurm the modes run here, one after the other. Nothing is queued unless all modes could start. Budget and folders come
from the environment, as for sbatch_one.sh: MAX_STEPS, PRESET, SEED, DATASET, DATA_DIR, IMAGENET_PATH, MODEL_PATH,
OUTPUT_DIR. With DATASET=folder or medium_imagenet, DATA_DIR is that set itself. PRESET=full has no pretrained weights:
take PRESET=dinov3, or MODEL_PATH=FOLDER of a DINOv3, or --modes=A,B with modes from random weights (*scratch).

  --modes=A,B,...  which modes (otherwise all that labkit modes shows)
  --at-once N      how many run at the same time (2)
  --run-name NAME  the runs are called NAME-<mode>; none of them may be there yet
  --help           this text

Examples:
  ./scripts/sbatch_all.sh
  MAX_STEPS=100 ./scripts/sbatch_all.sh --at-once 4 --time=01:00:00 --gres=gpu:a100:1 --qos=dw87
HELP
}

fail() { printf '[lab] STOPPED: %s\n' "$*" >&2; exit 2; }

modes='' at_once=2 name='' options=()
while (($#)); do
    case $1 in
    --modes=*) modes=${1#*=} ;;
    --at-once=*) at_once=${1#*=} ;;
    --at-once) at_once=${2-}; shift ;;
    --run-name=*) name=${1#*=} ;;
    --run-name) name=${2-}; shift ;;
    -h | --help) usage; exit 0 ;;
    --*=*) options+=("$1") ;; # sbatch knows what to do with it
    *) fail "unknown option $1 (write options of sbatch as --option=value); see ./scripts/sbatch_all.sh --help." ;;
    esac
    shift
done
[[ $at_once =~ ^[1-9][0-9]*$ ]] || fail "--at-once needs a number, got '$at_once'."

# Paths count from where you type; the job will start elsewhere.
for variable in DATA_DIR OUTPUT_DIR IMAGENET_PATH MODEL_PATH; do
    case ${!variable-} in '' | /*) ;; *) export "$variable=$PWD/${!variable}" ;; esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
mkdir -p slurm_logs # before the job starts: Slurm makes no folder for the output
python=${LABKIT_PYTHON:-.venv/bin/python}
[ -x "$python" ] || fail "there is no .venv yet: run bash scripts/run_lab.sh once where there is a network."
if [ -z "$modes" ]; then
    modes=$("$python" -c 'from labrun.spec import registry; print(",".join(registry("labkit.simclr:MODES")))') ||
        fail "the list of modes could not be read; name them with --modes=A,B."
fi
IFS=, read -r -a list <<<"$modes"
arguments=("--modes=$modes" ${name:+--run-name="$name"})

# Whatever would end a job is checked before any is queued.
for mode in ${name:+"${list[@]}"}; do
    [ -d "${OUTPUT_DIR:-${LABKIT_RUNS:-runs}}/$name-$mode" ] && fail "there is a run $name-$mode already: take another --run-name, or go on with it: labkit resume $name-$mode."
done
bash scripts/sbatch_one.sh --check "--modes=$modes" ${name:+--run-name="$name"} || {
    code=$?
    case ${PRESET-}:$modes:${MODEL_PATH-} in full:*pretrained*:) echo "[lab] With PRESET=full choose PRESET=dinov3, or MODEL_PATH=FOLDER of a DINOv3, or --modes=A,B without *pretrained." >&2 ;; esac
    exit "$code"
}

if command -v sbatch >/dev/null; then
    # what goes over the lines of sbatch_one.sh, or hides the environment from the jobs, as some modules set it
    unset SBATCH_EXPORT SBATCH_NO_REQUEUE SBATCH_OPEN_MODE SBATCH_SIGNAL SBATCH_TIMELIMIT
    # --array=0-7%2: eight tasks, two at a time; %A is the array's number, %a the task's
    exec sbatch --job-name=simclr_all --array="0-$((${#list[@]} - 1))%$at_once" --output="${PWD//%/%%}/slurm_logs/%x_%A_%a.out" \
        ${options[@]+"${options[@]}"} scripts/sbatch_one.sh "${arguments[@]}"
fi
echo "[lab] There is no sbatch here: the modes run one after the other."
failed=()
for mode in "${list[@]}"; do
    scripts/sbatch_one.sh --mode="$mode" ${name:+--run-name="$name-$mode"} || failed+=("$mode")
done
((${#failed[@]} == 0)) || { echo "[lab] Not finished: ${failed[*]}. labkit status shows why."; exit 1; }
