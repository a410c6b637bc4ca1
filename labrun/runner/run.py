"""The runner: executes one frozen run in its folder, records what happened, and exits with a typed code.

    python -m labrun.runner.run runs/<id>

Exit codes: 0 done, 1 a cell failed (or the run was cancelled), 2 the specification is wrong, 70 the kernel
died, 71 a cell took too long, 75 interrupted and to be resumed. SIGTERM, SIGINT and SIGUSR1 only set the stop
flag; after SIGTERM or SIGINT the kernel has LABKIT_GRACE_S seconds (25) to stop by itself; a second one ends
it at once. 76: a newer attempt has begun elsewhere (see labkit.run_folder.attempts); this one wrote nothing more.
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from labkit.run_folder import (
    LabError,
    RunFolder,
    Superseded,
    atomic_write,
    attempts,
    private_environment,
    process_identity,
    repo_root,
    to_json,
    write_error,
)
from labrun.runner.machine import describe
from labrun.runner.outcome import EXIT_CODES, SPEC_WRONG, SUPERSEDED, Outcome
from labrun.spec import read_notebook, read_spec
from labrun.state import CANCEL_MARKER

GRACE_S = 25.0  # Slurm kills 30 s after its TERM
ECHO_S = 0.5  # a second TERM within this time is the first one's echo


def execute(run: RunFolder) -> int:
    """Execute `run` from its first cell to its last and return the exit code. Never raises."""
    run = RunFolder(run.path.resolve())
    os.chdir(repo_root())
    os.environ.update(private_environment())
    signals, started = SignalHandler(run), time.time()
    try:
        try:
            outcome = _execute(run, signals)
        except LabError as error:
            print(error, file=sys.stderr)
            outcome = Outcome("failed", 1, str(error))
        except Superseded:
            raise
        except Exception as error:
            traceback.print_exc()
            outcome = Outcome("failed", 1, f"labkit itself failed ({type(error).__name__}: {error}).")
        attempts.refuse_if_superseded(run.status_file)
        if outcome.message:
            print(f"{outcome.state}: {outcome.message}", flush=True)
        killed_soon = signals.deadline is not None  # what has been saved goes on record first, the page after it
        if not killed_soon:
            run.write_status("running", step="writing executed.html", cell_started=round(time.time(), 3))
            _write_page(run)
        now = time.time()
        times = {"ended": round(now, 3), "seconds": round(now - started, 2), "cell_started": None, "step": None}
        ending = {"exit_code": outcome.exit_code, "message": outcome.message or None, "cell": outcome.cell}
        run.write_status(outcome.state, **ending, **times)
        if killed_soon:
            _write_page(run)
    except LabError as error:
        print(error, file=sys.stderr)  # the disk is full: the log may still take it
    except Superseded:
        return SUPERSEDED
    return outcome.exit_code


class SignalHandler:
    """Turns TERM, INT and USR1 into the stop flag, and ends a kernel that does not stop by itself.

    USR1 announces a time limit: a flag, but no deadline.
    """

    def __init__(self, run: RunFolder):
        self.run, self.ended = run, ""
        self.kill: Callable[[], None] = lambda: None
        self.grace_s = float(os.environ.get("LABKIT_GRACE_S", GRACE_S))
        self.deadline: float | None = None
        self.at_once, self.last = False, -ECHO_S
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, lambda *_: self.run.stop_flag.touch())

    def watch(self, kill: Callable[[], None]) -> None:
        """Call `kill` once the grace period of a stop is over."""
        self.kill = kill
        threading.Thread(target=self._wait, daemon=True).start()

    def _on_stop(self, *_) -> None:
        now = time.monotonic()
        if now - self.last < ECHO_S:
            return  # Slurm signals every process, and some forward it
        self.last, self.at_once = now, self.deadline is not None
        with suppress(OSError):
            self.run.stop_flag.touch()
        self.deadline = now + (0 if self.at_once else self.grace_s)

    def _wait(self) -> None:
        while self.deadline is None or time.monotonic() < self.deadline:
            time.sleep(0.2)
            if attempts.superseded():
                self.kill()
                os._exit(SUPERSEDED)
        why = "Ended at once" if self.at_once else f"The kernel did not stop within {self.grace_s:g} s and was ended"
        saved = any(path.is_file() and path.name[0] != "." for path in self.run.checkpoints.rglob("*"))
        self.ended = f"{why}; a resume {'goes on from its last checkpoint' if saved else 'starts again'}."
        self.kill()


def _write_page(run: RunFolder) -> None:
    if not run.notebook.exists():
        return
    try:  # a page that cannot be made fails no run
        from labrun.runner.export import export

        export(run)
    except Exception as error:
        print(f"executed.html could not be written ({type(error).__name__}: {error}).", file=sys.stderr)


def without_slow_imports() -> None:
    """Keep jsonschema from compiling a grammar of web addresses: seconds, and no notebook needs it."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def _execute(run: RunFolder, signals: SignalHandler) -> Outcome:
    """Put this attempt's environment and state on record, then execute the notebook."""
    try:
        spec = read_spec(run)
        if not run.source.is_file():
            raise LabError(f"{run.source} is missing: this run has no notebook to execute.")
        read_notebook(run.source)
        attempt = attempts.begin(run.path)
        array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
        job = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")  # as squeue shows it
        earlier = dict.fromkeys(("message", "exit_code", "cell", "heading", "cell_started", "step", "ended", "seconds"))
        now = round(time.time(), 3)
        run.write_status("running", attempt=attempt, started=now, slurm_job=job, **earlier, **process_identity())
        atomic_write(run.env_file, to_json(describe(spec.seed)))
    except (LabError, OSError) as error:
        message = str(error if isinstance(error, LabError) else write_error(run.path, error))
        print(message, file=sys.stderr)
        return Outcome("failed", SPEC_WRONG, message)
    without_slow_imports()
    from labrun.runner.execution import Execution

    execution = Execution(run, spec)
    signals.watch(execution.kill)
    outcome = execution.execute()
    if signals.ended and outcome.state == "died":
        outcome = replace(outcome, state="interrupted", exit_code=75, message=signals.ended)
    if outcome.state == "interrupted" and (run.path / CANCEL_MARKER).exists():
        outcome = replace(outcome, state="cancelled", exit_code=EXIT_CODES["cancelled"])
    if execution.book is not None:
        execution.book.conclude(outcome)
    return outcome


def main(arguments: list[str] | None = None) -> int:
    """Run the folder named on the command line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("Give the runner one run folder: python -m labrun.runner.run runs/<id>", file=sys.stderr)
        return SPEC_WRONG
    return execute(RunFolder(arguments[0]))


if __name__ == "__main__":
    sys.exit(main())
