#!/usr/bin/env bash
# Measure everything that needs a GPU in under 8 minutes; without one, a short CPU version. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The lab's own environment where it is, else any Python that has torch: nothing is installed here.
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
"$python" -c 'import torch, torchvision, numpy, pydantic' 2>/dev/null || {
    echo "[lab] STOPPED: $python lacks torch, torchvision, numpy or pydantic; run bash scripts/run_lab.sh once, or pip install them." >&2
    exit 1
}
exec "$python" -m benchmarks.gpu_report "$@"
