"""Builds the zip that a teacher uploads to Gradescope: setup.sh, run_autograder, and what one lab needs."""

import json
import zipfile
from importlib.metadata import version
from pathlib import Path

from autograder import labs

ROOT = Path(__file__).resolve().parents[2]
PARTS = [
    "autograder/*.py",
    "autograder/engine/**/*.py",
    "autograder/measure/*.py",
    "autograder/classroom/*.py",
    "autograder/gradescope/*.py",
    "autograder/checks/__init__.py",
    "autograder/reference/__init__.py",
    "labkit/__init__.py",
    "labkit/dynamo.py",
    "labkit/run_folder/*.py",
]
PACKAGES = "torch torchvision numpy pillow transformers tqdm click pytest ipython".split()


def build(lab: str, out: Path, **policy) -> Path:
    """Write the zip of one lab. policy: seed, late_per_day, grace_hours, hidden_checks, leaderboard."""
    stem = labs.stem(lab)
    parts = [*PARTS, f"autograder/checks/{stem}.py", f"autograder/reference/{stem}.py"]
    chosen = {"lab": stem} | {name: value for name, value in policy.items() if value is not None}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for pattern in parts:
            for path in sorted(ROOT.glob(pattern)):
                _add(archive, str(path.relative_to(ROOT)), path.read_text())
        for name in ("setup.sh", "run_autograder"):
            _add(archive, name, (Path(__file__).parent / name).read_text(), mode=0o755)
        pins = "".join(f"{name}=={version(name).partition('+')[0]}\n" for name in PACKAGES)  # torch: of any build
        _add(archive, "requirements.txt", pins)
        _add(archive, "pyproject.toml", '[project]\nname = "course-grader"\nversion = "1"\n')
        _add(archive, "lab.json", json.dumps(chosen))
    return out


def _add(archive: zipfile.ZipFile, name: str, text: str, *, mode: int = 0o600) -> None:
    entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
    entry.external_attr, entry.compress_type = (0o100000 | mode) << 16, zipfile.ZIP_DEFLATED
    archive.writestr(entry, text)
