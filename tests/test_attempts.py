"""Fencing: an older attempt at a run that still lives writes nothing into it."""

import pytest

from labkit.run_folder import RunFolder, Superseded, atomic_write, attempts
from labkit.run_folder.attempts import ATTEMPT_VARIABLE


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv(ATTEMPT_VARIABLE, "")
    return RunFolder(tmp_path / "run").create({"notebook": "n.ipynb"})


def contents(run):
    return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def be(run, number, monkeypatch):
    monkeypatch.setenv(ATTEMPT_VARIABLE, f"{number}:{run.path.resolve()}")


def test_attempts_count_from_one_and_the_number_is_taken_by_one_process_only(run):
    assert attempts.newest(run.path) == 0
    assert [attempts.begin(run.path), attempts.begin(run.path)] == [1, 2]
    (run.path / "attempts" / "7").touch()
    assert attempts.begin(run.path) == 8


@pytest.mark.parametrize(
    "write",
    [
        lambda run: run.append_metrics({"fit": "net", "step": 9}),
        lambda run: run.truncate_metrics("net", 0),
        lambda run: run.summarize(accuracy=0.0),
        lambda run: run.record_timings(seconds=1.0),
        lambda run: run.write_status("failed", message="from beyond"),
        lambda run: atomic_write(run.checkpoints / "last.pt", b"older"),
        lambda run: atomic_write(run.notebook, "{}"),
    ],
)
def test_an_older_attempt_changes_no_file_of_the_run(run, write, monkeypatch):
    run.append_metrics({"fit": "net", "step": 1})
    (run.checkpoints / "last.pt").write_bytes(b"newer")
    attempts.begin(run.path)
    write(run)  # as the newest it may
    attempts.begin(run.path)
    before = contents(run)
    be(run, 1, monkeypatch)
    with pytest.raises(Superseded, match=r"Attempt 2 .* attempt 1 writes no more"):
        write(run)
    assert contents(run) == before
    be(run, 2, monkeypatch)
    write(run)


def test_what_belongs_to_no_attempt_may_write_and_so_may_one_at_another_run(run, tmp_path, monkeypatch):
    attempts.begin(run.path)
    attempts.begin(run.path)
    monkeypatch.delenv(ATTEMPT_VARIABLE)
    run.write_status("cancelled")  # a person's `labkit cancel`
    assert not attempts.superseded()
    be(run, 1, monkeypatch)
    other = RunFolder(tmp_path / "run-2").create({})  # whose path begins with the same letters
    other.append_metrics({"step": 1})
    assert attempts.superseded()


def test_a_checkpoint_of_an_older_attempt_never_replaces_a_newer_one(run, monkeypatch):
    torch = pytest.importorskip("torch")
    from labkit.train import checkpoint

    attempts.begin(run.path)
    checkpoint.save(run.checkpoints / "net" / "last.pt", {"step": torch.tensor(2)})
    attempts.begin(run.path)
    be(run, 1, monkeypatch)
    with pytest.raises(Superseded):
        checkpoint.save(run.checkpoints / "net" / "last.pt", {"step": torch.tensor(1)})
    assert checkpoint.load(run.checkpoints / "net" / "last.pt")["step"] == 2
    assert not list(run.checkpoints.rglob("*.tmp"))
