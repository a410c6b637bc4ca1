"""What a person reads to follow `labkit run X --dry-run`: few functions, in few files."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The second call is measured: what an import calls once is no part of the way. A comprehension or a lambda belongs
# to the function that contains it.
MEASURE = """
import sys
from pathlib import Path
from labrun.cli import main

seen = set()

def watch(frame, event, argument):
    code, path = frame.f_code, Path(frame.f_code.co_filename)
    if event == "call" and path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("labkit", "labrun"):
        if path.suffix == ".py" and not code.co_name.startswith("<"):
            seen.add((str(path.relative_to(ROOT)), code.co_qualname))

for profile in (None, watch):
    sys.setprofile(profile)
    try:
        main()
    except SystemExit as left:
        sys.setprofile(None)
        assert not left.code
print(*sorted(f"{file}: {name}" for file, name in seen), sep="\\n", file=sys.stderr)
"""


def test_a_dry_run_passes_few_functions_in_few_files():
    code = f"ROOT = {str(ROOT)!r}\nimport sys\nsys.argv = ['labkit', 'run', '01', '--dry-run']\n{MEASURE}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and "#SBATCH" in done.stdout, done.stderr
    passed = done.stderr.splitlines()
    files = {line.partition(":")[0] for line in passed}
    print(f"{len(passed)} functions in {len(files)} files")
    assert len(passed) <= 45 and len(files) <= 12, done.stderr
