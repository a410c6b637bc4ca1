#!/usr/bin/env bash
# All tests, as .ci/run calls them: sets up .venv where it is missing, then runs pytest on three processes.
set -uo pipefail

usage() {
    cat <<'HELP'
Usage: bash scripts/run_tests.sh [--quick] [pytest arguments]

Sets up .venv where it is missing and runs all tests (15 to 18 minutes on two cores).

  --quick   the inner loop: every test that takes less than half a second and starts no kernels (about a minute)
  --help    this text

Examples:
  bash scripts/run_tests.sh
  bash scripts/run_tests.sh --quick
  bash scripts/run_tests.sh tests/test_losses.py -k nt_xent
HELP
}

case ${1-} in -h | --help) usage; exit 0 ;; esac

# shellcheck source=scripts/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare_environment requirements.txt tests/requirements.txt

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # one thread a process: the tests fill the cores themselves
say "Running the tests with $(python --version), $(python -c 'import importlib.metadata as m; print("torch", m.version("torch"))')."
exec python -m pytest -n "${LABKIT_TEST_WORKERS:-3}" --timeout 900 "$@" # one worker mostly waits for Slurm's time limits
