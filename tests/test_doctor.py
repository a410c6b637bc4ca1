"""The doctor finds what is wrong, says what to do about it, and never tells a token."""

import json
import os
import subprocess
import sys

import pytest

from labkit.data.download import FILES
from labrun import doctor
from labrun.doctor import Line


def by_topic(lines):
    return {line.topic: line for line in lines}


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository, a data folder and a runs folder of its own."""
    for variable, folder in (("LABKIT_RUNS", "runs"), ("LABKIT_DATA", "data")):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    for module in ("labrun.doctor", "labrun.environment"):
        monkeypatch.setattr(f"{module}.repo_root", lambda: tmp_path)
    for token in doctor.TOKENS:
        monkeypatch.delenv(token, raising=False)
    return tmp_path


@pytest.mark.integration
def test_a_healthy_machine_passes_and_a_kernel_really_answers(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "labrun.cli", "doctor", "--json"],
        capture_output=True,
        text=True,
        env=os.environ | {"LABKIT_RUNS": str(tmp_path / "runs")},
    )
    found = {line["topic"]: line for line in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {
        "Python",
        "Packages",
        "torch",
        "Devices",
        "Processor",
        "Memory",
        "Data",
        "Jupyter",
        "Slurm",
        "HF_TOKEN",
        "WANDB_API_KEY",
        "Disk: runs",
    } <= set(found)
    assert "answered in" in found["Jupyter"]["found"]


def test_every_line_that_is_not_good_says_what_to_do(course, monkeypatch):
    for check in list(doctor.CHECKS):
        if check is not doctor.check_kernel:
            monkeypatch.setattr(doctor, "CHECKS", [check])
            assert all(line.advice for line in doctor.check_all() if line.verdict != "good"), check


def test_tokens_are_present_or_absent_and_never_told(course, monkeypatch):
    (course / ".env").write_text("HF_TOKEN=hf_secret_1\nWANDB_API_KEY=\n")
    (course / ".env").chmod(0o600)
    found = by_topic(list(doctor.check_tokens()))
    assert found["HF_TOKEN"].found == "present (.env)" and found["WANDB_API_KEY"].found == "absent"
    monkeypatch.setenv("WANDB_API_KEY", "secret_2")
    lines = list(doctor.check_tokens())
    assert by_topic(lines)["WANDB_API_KEY"].found == "present (environment)"
    assert "secret" not in doctor.to_text(lines) + str(lines)


def test_a_readable_token_file_is_red(course):
    (course / ".env").write_text("HF_TOKEN=x\n")
    (course / ".env").chmod(0o644)
    lines = list(doctor.check_tokens())
    assert by_topic(lines)[".env"].advice == "chmod 600 .env" and any(line.verdict == "bad" for line in lines)


def test_a_full_and_a_read_only_disk_are_red(course, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2e8}))
    assert any(line.verdict == "bad" for line in doctor.check_disk())
    monkeypatch.undo()
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert {line.verdict for line in list(doctor.check_disk())} == {"bad"}


def test_a_file_in_the_place_of_the_runs_folder_is_red(course):
    (course / "runs").write_text("")
    line = by_topic(list(doctor.check_disk()))["Disk: runs"]
    assert line.verdict == "bad" and "is a file" in line.found


def test_a_token_file_that_is_no_text_is_red(course):
    (course / ".env").write_bytes(b"HF_TOKEN=\xff\xfe")
    (line,) = list(doctor.check_tokens())
    assert line.verdict == "bad" and "UTF-8" in line.found


def test_a_missing_package_is_red_with_the_command(monkeypatch):
    wanted = ["numpy>=1", "nothing-like-this>=2", "numpy>=99", "absent; extra == 'dev'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: wanted)
    (line,) = list(doctor.check_packages())
    assert line.verdict == "bad" and "pip install" in line.advice
    assert "nothing-like-this missing" in line.found and "numpy" in line.found and "absent" not in line.found


def test_an_old_python_is_red(monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))
    assert next(doctor.check_python()).verdict == "bad"


def test_data_sets_in_the_folder_are_named(course):
    there, absent = list(doctor.check_data())
    assert there.found.startswith("digits, shapes (") and absent.verdict == "note"
    assert "cifar10," in absent.found and "labkit fetch" in absent.advice
    folder = course / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    assert "cifar10," in list(doctor.check_data())[1].found  # half there is not there
    for file in FILES["cifar10"][1]:
        (folder / file).touch()
    there, absent = list(doctor.check_data())
    assert "cifar10" in there.found and "cifar10," not in absent.found


def test_a_check_that_breaks_is_a_finding_not_a_traceback(monkeypatch):
    def check_weather():
        raise OSError("rain")

    monkeypatch.setattr(doctor, "CHECKS", [check_weather])
    (line,) = doctor.check_all()
    assert line.topic == "Weather" and line.verdict == "bad" and "rain" in line.found


def test_a_kernel_that_does_not_start_is_red(monkeypatch):
    async def never():
        raise RuntimeError("Kernel died before replying")

    monkeypatch.setattr(doctor, "_kernel_start", never)
    (line,) = list(doctor.check_kernel())
    assert line.verdict == "bad" and "Kernel died" in line.found


def test_only_red_lines_fail_and_the_text_counts_them():
    lines = [Line("a", "good", "x"), Line("b", "note", "y", "do y")]
    assert not any(line.verdict == "bad" for line in lines) and "in place" in doctor.to_text(lines)
    lines.append(Line("c", "bad", "z", "do z"))
    assert any(line.verdict == "bad" for line in lines)
    assert "-> do z" in doctor.to_text(lines) and "1 thing to repair" in doctor.to_text(lines)
