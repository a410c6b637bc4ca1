"""--dry-run prints what would be done and does nothing: no process, no job, no file."""

import subprocess

import click
import pytest
from click.testing import CliRunner

from labkit.run_folder import RunFolder, to_json
from labrun.cli import labkit
from labrun.spec import freeze, make_spec

SLURM = ["--site", "laptop"]
CASES = {  # command: (arguments, what is printed)
    "run": [(["01"], "#SBATCH"), (["01", "--executor", "local"], "would run on this machine")],
    "sweep": [
        (["01", "-g", "seed=0,1", "--collect"], "--array=0-1"),
        (["01", "-g", "seed=0,1", "--executor", "local"], "would run on this machine"),
        (["--failed", "swept"], "swept-1  would resume on this machine"),
        (["--failed", "swept", *SLURM], "/swept-1"),
    ],
    "resume": [
        (["here"], "here  would resume on this machine"),
        (["here", *SLURM], "#SBATCH"),
        (["there"], "#SBATCH --partition=long"),
        (["there", "--executor", "local", "-b"], "there  would resume on this machine"),
    ],
    "jupyter start": [(SLURM, "labrun.jupyter"), (["--name", "mine"], "/mine")],
}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Three failed runs: one of this machine, one of a Slurm job, one of a sweep. Nothing may start a process."""
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path))
    for name, fields in {"here": {}, "there": {"executor": "slurm"}, "swept-1": {}}.items():
        parent = "swept" if name == "swept-1" else None
        freeze(make_spec("01", name=name, parent=parent)).write_status("failed", exit_code=1, **fields)
    record = {"token": "t", "job": "7", "site": {"name": "laptop", "partition": "long"}}
    (RunFolder(tmp_path / "there").path / "job.json").write_text(to_json(record))
    return tmp_path


def everything(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def commands(group, *above):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        elif any("--dry-run" in option.opts for option in command.params):
            yield " ".join([*above, name])


def test_every_command_with_a_dry_run_is_tried():
    assert set(commands(labkit)) == set(CASES)


@pytest.mark.parametrize(("command", "case"), [(c, i) for c in CASES for i in range(len(CASES[c]))])
def test_a_dry_run_prints_what_would_be_done_and_does_nothing(runs, monkeypatch, command, case):
    def refused(words, *_, **__):
        if words[0] not in ("squeue", "sacct"):  # these look only
            pytest.fail(f"a dry run started {words}")
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "Popen", refused)
    monkeypatch.setattr(subprocess, "run", refused)
    before = everything(runs)
    arguments, printed = CASES[command][case]
    result = CliRunner().invoke(labkit, [*command.split(), *arguments, "--dry-run"], catch_exceptions=False)
    assert result.exit_code == 0 and printed in result.output, result.output
    assert everything(runs) == before
