#!/usr/bin/env bash
# The main job: set up once, then execute the course's notebooks and write runs/index.html.
set -uo pipefail

usage() {
    cat <<'HELP'
Usage: bash scripts/run_lab.sh [options]

Sets up .venv where it is missing, executes notebooks 01-04 and ends with the path of runs/index.html.

  --dataset NAME   data set for every notebook: shapes (default, embedded), digits, folder, cifar10, ...
  --data PATH      where that data set lies (a class-per-folder tree for --dataset folder)
  --preset NAME    tiny (default: embedded data, a CPU) or full (the real lesson, wants a GPU)
  --seed N         seed of every run (default 0)
  --only NN        only the notebook with this number, e.g. --only 03; may be repeated
  --help           this text

Examples:
  bash scripts/run_lab.sh
  bash scripts/run_lab.sh --dataset folder --data ~/cifar10-jpeg
  bash scripts/run_lab.sh --only 03 --seed 1
HELP
}

wants() { [ -n "${2-}" ] || { printf '[lab] STOPPED: %s needs a value; see --help.\n' "$1" >&2; exit 2; }; }

parameters=() only=() here=$PWD
while (($#)); do
    case $1 in
    --dataset) wants "$@"; parameters+=(-p "dataset=$2"); shift ;;
    --data) wants "$@"
        [ -e "$2" ] || { printf '[lab] STOPPED: --data %s does not exist; give the folder that holds the images.\n' "$2" >&2; exit 2; }
        parameters+=(-p "data_dir=$(cd "$here" && realpath "$2")"); shift ;;
    --preset) wants "$@"; parameters+=(-p "preset=$2"); shift ;;
    --seed) wants "$@"; parameters+=(-p "seed=$2"); shift ;;
    --only) wants "$@"; only+=("$2"); shift ;;
    -h | --help) usage; exit 0 ;;
    *) printf '[lab] STOPPED: unknown option %s; see bash scripts/run_lab.sh --help.\n' "$1" >&2; exit 2 ;;
    esac
    shift
done

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment requirements.txt

notebooks=()
for number in "${only[@]:-0[1-4]}"; do
    found=(notebooks/${number}_*.ipynb)
    [ -e "${found[0]}" ] || fail "there is no notebook with the number $number; notebooks: $(cd notebooks && echo 0*.ipynb)."
    notebooks+=("${found[@]}")
done

started=$SECONDS failed=() page=${LABKIT_RUNS:-$ROOT/runs}/index.html
for notebook in "${notebooks[@]}"; do
    labkit run "$notebook" ${parameters[@]+"${parameters[@]}"} # (bash 3.2 calls an empty list unbound)
    status=$?
    ((status == 2)) && exit 2 # the wish itself was wrong: every further notebook would say the same
    if ((status == 75 || status == 130)); then
        say "Stopped and saved. labkit status shows the run, labkit resume RUN goes on with it."
        exit "$status"
    fi
    ((status == 0)) || failed+=("$notebook")
done
labkit collect --quiet >/dev/null || failed+=("the results page")

if ((${#failed[@]})); then
    say "$((SECONDS - started)) s. Not finished: ${failed[*]}. labkit status shows why; labkit logs RUN shows the log."
    say "Results page: $page"
    exit 1
fi
say "All ${#notebooks[@]} notebooks done in $((SECONDS - started)) s. Open this page in a browser:"
printf '%s\n' "$page"
