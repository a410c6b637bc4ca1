"""The local executor: runs on this machine, each in a process of its own that outlives the terminal.

    python -m labrun.local runs/<id> [runs/<id> ...] --jobs 2

is the process behind `submit`: it loads papermill once and forks one runner per run, `jobs` at a time.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from labkit.run_folder import RunFolder, is_alive, make_folder, process_identity, repo_root, send_signal, write_error
from labrun.environment import clean_environment
from labrun.runner.run import ECHO_S, execute, without_slow_imports
from labrun.state import CANCEL_MARKER, is_interactive, observe


class LocalExecutor:
    """Starts and stops runs on this machine, as the Slurm executor does on a cluster."""

    name = "local"

    def submit(self, runs: Sequence[RunFolder], *, jobs: int = 1, with_parent: bool = False) -> subprocess.Popen:
        """Start `runs` in the background, `jobs` at a time, and return their common process at once.

        with_parent: end them when the calling process ends (a sweep inside a notebook).
        """
        for run in runs:
            for marker in (run.stop_flag, run.path / CANCEL_MARKER):
                marker.unlink(missing_ok=True)
            make_folder(run.logs)
            run.write_status("queued", executor=self.name, message=None, **dict.fromkeys(process_identity()))
        command = [sys.executable, "-m", "labrun.local", "--jobs", str(jobs)]
        command += ["--parent", str(os.getpid())] if with_parent else []
        command += [str(run.path.resolve()) for run in runs]
        with open(runs[0].log_file, "ab") as log:
            options: dict[str, Any] = {"cwd": repo_root(), "env": clean_environment(), "stdin": subprocess.DEVNULL}
            return subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log, **options)

    def cancel(self, run: RunFolder, *, now: bool = False) -> str:
        """Make `run` save and stop, or end it `now`; return what was done, in a sentence."""
        status = observe(run)
        if status["state"] not in ("queued", "running"):
            return f"{run.id} is not running ({status['state']}): nothing to cancel."
        if is_interactive(run):  # a signal would end a person's own session
            run.stop_flag.touch()
            return f"{run.id} is an interactive session: it will stop at its next training step."
        (run.path / CANCEL_MARKER).touch()  # first, so that nothing starts it again
        run.stop_flag.touch()
        if status["state"] == "queued":
            run.write_status("cancelled", message="Cancelled before it began.")
            return f"{run.id} was waiting and is cancelled."
        for _ in range(2 if now else 1):
            if not send_signal(status, signal.SIGTERM):
                return f"{run.id} runs on {status.get('host')}: it will stop at its next training step."
            time.sleep(ECHO_S + 0.1 if now else 0)
        return f"{run.id} is {'ending' if now else 'saving, then stops'}."


def work(runs: Sequence[RunFolder], *, jobs: int, parent: int | None) -> int:
    """Start each run when its turn comes, in a process of its own; return the highest exit code."""
    without_slow_imports()
    import labrun.runner.execution
    import labrun.runner.export  # noqa: F401  imported once here, not once per run

    waiting, codes, stopping = list(runs), [0], False
    running: set[int] = set()  # process ids
    owner = process_identity(parent) if parent else None

    def stop(number: int, *_) -> None:
        nonlocal stopping
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, stop)
    for run in waiting:
        run.write_status("queued", **process_identity())
    while waiting or running:
        while waiting and len(running) < max(1, jobs):
            run = waiting.pop(0)
            if (run.path / CANCEL_MARKER).exists():
                run.write_status("cancelled", message="Cancelled before it began.")
            elif stopping:
                run.write_status("interrupted", exit_code=75, message="Stopped before it began.")
                codes.append(75)
            elif pid := os.fork():
                running.add(pid)
            else:
                code = 70
                try:
                    os.setsid()
                    code = _become(run)
                finally:
                    os._exit(code)
        for pid in list(running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                running.remove(pid)
                code = os.waitstatus_to_exitcode(status)
                codes.append(code if code >= 0 else 70)
        if owner and not stopping and not is_alive(owner):
            stop(signal.SIGTERM)
        time.sleep(0.05)
    return max(codes)


def main() -> int:
    """Be the background process of some runs. Returns the highest exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--parent", type=int)
    options = parser.parse_args()
    runs = [RunFolder(path) for path in options.runs]
    if len(runs) == 1 and options.parent is None:
        return _become(runs[0])
    return work(runs, jobs=options.jobs, parent=options.parent)


def _become(run: RunFolder) -> int:
    """Execute `run` in this process, with all output going to its log."""
    try:
        run.logs.mkdir(exist_ok=True)
        with open(run.log_file, "ab", buffering=0) as log:
            sys.stdout.flush()
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
    except OSError as error:
        print(write_error(run.log_file, error), file=sys.stderr)
        return 1
    code = execute(run)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
