#!/usr/bin/env bash
# The main job: set up once, then execute the course's notebooks and write runs/index.html.
set -uo pipefail

usage() {
    cat <<'HELP'
Usage: bash scripts/run_lab.sh [options]

Sets up .venv where it is missing, executes notebooks 01-04 and fills the page runs/index.html with their results.

  --dataset NAME   data set for every notebook: shapes (default, embedded), digits, folder, cifar10, ...
  --data PATH      where that data set lies (a class-per-folder tree for --dataset folder)
  --preset NAME    tiny (default: embedded data, a CPU) or full (the real lesson, wants a GPU)
  --seed N         seed of every run (default 0)
  --only NN        only the notebook with this number, e.g. --only 03; may be repeated
  --jobs N         how many notebooks run at the same time (2; 1 with a single core or with a GPU); 01 runs first, and
                   04 last and alone, since it measures
  --help           this text

Examples:
  bash scripts/run_lab.sh
  bash scripts/run_lab.sh --dataset folder --data ~/cifar10-jpeg
  bash scripts/run_lab.sh --only 03 --seed 1
HELP
}

wants() { [ -n "${2-}" ] || { printf '[lab] STOPPED: %s needs a value; see --help.\n' "$1" >&2; exit 2; }; }

parameters=() only=() jobs='' here=$PWD
while (($#)); do
    case $1 in
    --dataset) wants "$@"; parameters+=(-p "dataset=$2"); shift ;;
    --data) wants "$@"
        [ -e "$2" ] || { printf '[lab] STOPPED: --data %s does not exist; give the folder that holds the images.\n' "$2" >&2; exit 2; }
        parameters+=(-p "data_dir=$(cd "$here" && realpath "$2")"); shift ;;
    --preset) wants "$@"; parameters+=(-p "preset=$2"); shift ;;
    --seed) wants "$@"; parameters+=(-p "seed=$2"); shift ;;
    --only) wants "$@"; only+=("$2"); shift ;;
    --jobs) wants "$@"
        [[ $2 =~ ^[1-9][0-9]*$ ]] || { printf '[lab] STOPPED: --jobs %s is no number above 0.\n' "$2" >&2; exit 2; }
        jobs=$2; shift ;;
    -h | --help) usage; exit 0 ;;
    *) printf '[lab] STOPPED: unknown option %s; see bash scripts/run_lab.sh --help.\n' "$1" >&2; exit 2 ;;
    esac
    shift
done

# shellcheck source=scripts/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment requirements.txt

first=() middle=() last=() # one after the other; the notebooks of one of these lists may run side by side
((${#only[@]})) || only=(01 02 03 04)
for number in "${only[@]}"; do
    found=(notebooks/"$number"_*.ipynb)
    [ -e "${found[0]}" ] || fail "there is no notebook with the number $number; notebooks: $(cd notebooks && echo 0*.ipynb)."
    for notebook in "${found[@]}"; do
        case $notebook in
        notebooks/01*) first+=("$notebook") ;;
        notebooks/04*) last+=("$notebook") ;;
        *) middle+=("$notebook") ;;
        esac
    done
done

if [ -z "$jobs" ]; then
    cores=$(python -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
    jobs=$((cores > 1 ? 2 : 1))
    if nvidia-smi -L >/dev/null 2>&1; then jobs=1; fi # one GPU is not shared
fi

started=$SECONDS failed=() page=${LABKIT_RUNS:-$ROOT/runs}/index.html

execute() { # the notebooks of one list
    (($#)) || return 0
    labkit run "$@" --jobs "$jobs" ${parameters[@]+"${parameters[@]}"} # (bash 3.2 calls an empty list unbound)
    local status=$?
    ((status == 2)) && exit 2 # the wish itself was wrong: every further notebook would say the same
    if ((status == 75 || status == 130)); then
        say "Stopped and saved. labkit status shows the runs, labkit resume RUN goes on with one."
        exit "$status"
    fi
    ((status == 0)) || failed+=("$@")
}

say "The results page fills while the notebooks run: $page"
execute ${first[@]+"${first[@]}"}
execute ${middle[@]+"${middle[@]}"}
execute ${last[@]+"${last[@]}"}

if ((${#failed[@]})); then
    say "$((SECONDS - started)) s. Not all of these are finished: ${failed[*]}. labkit status shows why; labkit logs RUN shows the log."
    say "Results page: $page"
    exit 1
fi
say "All $((${#first[@]} + ${#middle[@]} + ${#last[@]})) notebooks done in $((SECONDS - started)) s. Open this page in a browser:"
printf '%s\n' "$page"
