# Makes the virtual environment in .venv and keeps every cache inside the repository. Sourced by the other scripts.
# shellcheck shell=bash
#
# After `source scripts/environment.sh; prepare_environment requirements.txt ...` the commands `python` and `labkit`
# are those of .venv. A second call finds the stamp of the same pins and returns at once.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
ROOT=$PWD
VENV=$ROOT/.venv
LOG=$ROOT/.cache/setup.log
UV_VERSION=0.13.9
PROGRESS_S=5
NEEDED_GB=9 # .venv takes 6.4 GB with torch's CUDA libraries; uv's cache is hard links to the same files, pip unpacks beside it

say() { printf '[lab] %s\n' "$*"; }
fail() { printf '[lab] STOPPED: %s\n' "$*" >&2; exit 1; }

find_python() { # the first Python >= 3.11 on the PATH; $PYTHON goes first where it is set
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3 python; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

keep_caches_inside() { # nothing is written to the home folder but pip's own download cache
    local cache=$ROOT/.cache
    mkdir -p "$cache/tmp" 2>/dev/null || fail "cannot write into $ROOT; clone the repository to a folder of your own."
    export MPLCONFIGDIR=$cache/matplotlib IPYTHONDIR=$cache/ipython
    export TMPDIR=${TMPDIR:-$cache/tmp} UV_CACHE_DIR=${UV_CACHE_DIR:-$cache/uv} UV_PYTHON_DOWNLOADS=never
}

free_gb() { df -Pk "$ROOT" | awk 'NR == 2 { print int($4 / 1048576) }'; }

explain() { # one sentence for the usual reasons why an installation stopped
    local log=$1
    if grep -qiE 'No space left on device|os error 28|Errno 28' "$log"; then
        fail "the disk is full ($(free_gb) GB free, about $NEEDED_GB GB needed); free some space and run this again."
    elif grep -qiE 'NewConnectionError|Name or service not known|Temporary failure in name|Network is unreachable|Connection refused|timed out|ProxyError|Max retries|No matching distribution found|getaddrinfo' "$log"; then
        fail "pip could not get the packages; run this where the package index can be reached (a login node), see $log."
    fi
    fail "pip could not install the packages: $(grep -m1 -i error "$log" | cut -c1-200) (whole log: $log)."
}

count() { printf '%s' "$#"; }

packages_ready() { # how many packages are there: uv unpacks into its cache and links all at the end, pip lists what it collects
    local number
    shopt -s nullglob
    if grep -q '^Installing collected packages' "$LOG"; then
        number=$(count "$VENV"/lib*/python*/site-packages/*.dist-info)
    elif grep -q '^Collecting' "$LOG"; then
        number=$(grep -c '^Collecting' "$LOG")
    else
        number=$(count "$UV_CACHE_DIR"/archive-v*/*)
    fi
    shopt -u nullglob
    printf '%s' $((number < $1 ? number : $1))
}

follow() { # run a command with its output in $LOG; $1 is the number of packages; a line every PROGRESS_S
    local total=$1 pid status=0 started=$SECONDS next=$((SECONDS + PROGRESS_S))
    shift
    "$@" >"$LOG" 2>&1 &
    pid=$!
    trap 'kill $pid 2>/dev/null; fail "stopped while installing; run the same command again to go on."' INT TERM
    while kill -0 $pid 2>/dev/null; do
        sleep 0.2
        ((SECONDS >= next)) || continue
        say "  $(packages_ready "$total") of $total packages, $((SECONDS - started)) s"
        next=$((SECONDS + PROGRESS_S))
    done
    wait $pid || status=$?
    trap - INT TERM
    return $status
}

run_pip() { "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off "$@"; }
run_uv() { "$VENV/bin/uv" pip install --python "$VENV/bin/python" --no-progress "$@"; }

have_uv() { # three times as fast as pip; with pip's own settings, so that a class's package index is used
    local settings
    if ! settings=$("$VENV/bin/python" scripts/uv_settings.py 2>"$LOG"); then
        say "pip installs, not uv: $(tail -n 1 "$LOG")."
        return 1
    fi
    [ -x "$VENV/bin/uv" ] || follow 1 run_pip --no-deps --retries 1 "uv==$UV_VERSION" || return 1
    eval "$settings"
}

install() { # arguments: the number of packages, then what pip install takes
    local total=$1
    shift
    if have_uv; then
        follow "$total" run_uv "$@" && return
        grep -qiE 'No space left|os error 28' "$LOG" && explain "$LOG"
        cp "$LOG" "$ROOT/.cache/uv.log"
        say "uv could not install them (log: .cache/uv.log); pip tries, which takes longer."
    fi
    follow "$total" run_pip "$@" || explain "$LOG"
}

stamp_of() { printf '%s/.installed-%s' "$VENV" "$(printf '%s' "$1" | tr '/' '-')"; }
is_installed() { [ "$(cat "$(stamp_of "$1")" 2>/dev/null)" = "$(cksum <"$1") $ROOT" ]; } # this content, in this place
remember() { printf '%s\n' "$(cksum <"$1") $ROOT" >"$(stamp_of "$1")"; }

make_venv() {
    local python
    python=$(find_python) ||
        fail "no Python >= 3.11 was found; install one (on a cluster: module load python) or set PYTHON=/path/to/python3.11."
    (($(free_gb) >= NEEDED_GB)) ||
        fail "only $(free_gb) GB free in $ROOT, about $NEEDED_GB GB needed; free some space or clone elsewhere."
    say "Making the virtual environment .venv with $("$python" --version)."
    "$python" -m venv --clear "$VENV" >"$ROOT/.cache/venv.log" 2>&1 ||
        fail "$python cannot make a virtual environment; install its venv and pip packages (Debian: apt install python3-venv)."
}

prepare_environment() { # arguments: the files of pins to install
    local file
    keep_caches_inside
    "$VENV/bin/python" -c 'import pip' 2>/dev/null || make_venv # none yet, half made, or its Python is gone
    for file in "$@"; do
        is_installed "$file" && continue
        say "Installing the pinned packages of $file (log: .cache/setup.log; the first time several GB, 1 to 4 minutes)."
        install "$(grep -c '^[A-Za-z]' "$file")" -r "$file"
        remember "$file"
    done
    if ! is_installed pyproject.toml; then
        install 1 --no-deps --no-build-isolation --editable .
        remember pyproject.toml
        say "The environment is ready."
    fi
    export PATH=$VENV/bin:$PATH VIRTUAL_ENV=$VENV
}
