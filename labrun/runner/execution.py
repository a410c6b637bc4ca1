"""papermill with its word made honest: which cell ran, which died, which were never reached; saved whole.

papermill 2.7 calls every cell `completed` once a kernel is killed or a cell times out, and a kill tears its
plain writes. Here each cell's status is what happened to it, and each save is atomic.
"""

import itertools
import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import nbformat
import papermill
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines

from labkit.run_folder import RunFolder, atomic_write, repo_root
from labrun.runner.kernel import PrivateKernelManager, kernel_environment
from labrun.runner.outcome import Outcome, StoppedBetweenCells, dead_kernel, failed_cell

NEVER_RUN = "never-run"


class Execution:
    """One notebook being executed. `kill()` may be called from another thread."""

    def __init__(
        self,
        run: RunFolder,
        *,
        parameters: dict,
        timeout_s: float | None,
        threads: int | None,
        on_cell: Callable[[int, int, str], None],
        stop: Callable[[], bool],
        log: "LineLog",
    ):
        self.run, self.parameters, self.timeout_s, self.threads = run, parameters, timeout_s, threads
        self.on_cell, self.stop, self.log = on_cell, stop, log
        self.client: HonestClient | None = None
        self.book: AtomicBook | None = None

    def execute(self) -> Outcome:
        """Run every cell and return how it ended. Raises LabError where the notebook cannot be saved."""
        logging.getLogger("papermill").setLevel(logging.ERROR)  # its warning on parameters is wrong (pain 6)
        logging.getLogger("traitlets").setLevel(logging.ERROR)
        notebook = nbformat.read(self.run.source, as_version=4)
        notebook.metadata.setdefault("papermill", {})
        try:
            papermill.execute_notebook(
                notebook,
                None,
                parameters=self.parameters,
                engine_name="labkit",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                cwd=str(repo_root()),
                execution=self,
            )
        except (CellExecutionError, CellTimeoutError, StoppedBetweenCells, RuntimeError) as error:
            return self._outcome_of(error)
        return Outcome("done", 0)

    def kill(self) -> None:
        """End the kernel and all it started, now."""
        if self.client is not None:
            self.client.kill_group()

    def conclude(self, outcome: Outcome) -> None:
        """Write the last executed notebook: what happened, cell by cell."""
        if self.book is not None:
            self.book.conclude(outcome)

    def _outcome_of(self, error: Exception) -> Outcome:
        where = self.book.running if self.book else None
        if isinstance(error, StoppedBetweenCells):
            return Outcome("interrupted", 75, "Stopped between two cells, as asked.")
        if isinstance(error, CellTimeoutError):
            limit = f"{self.timeout_s:g} s" if self.timeout_s else "its output allows"
            return Outcome("timeout", 71, f"Cell {where} took longer than {limit} and was ended.", where)
        if isinstance(error, CellExecutionError):
            return failed_cell(error.ename, error.evalue, where)
        return dead_kernel(self.client.exit_status if self.client else None, where, error)


class LineLog:
    """A text stream for logs: whole lines only, and of a progress bar's line just its last state."""

    def __init__(self, stream):
        self.stream, self.rest = stream, ""

    def write(self, text: str) -> None:
        *lines, self.rest = (self.rest + text).split("\n")
        self.rest = self.rest.rpartition("\r")[2] if len(self.rest) > 10_000 else self.rest
        for line in lines:
            self.stream.write(last_state(line) + "\n")

    def flush(self) -> None:
        self.stream.flush()

    def end(self) -> None:
        """Write what is left of a line that was never ended."""
        if self.rest:
            self.write("\n")
        self.flush()


def settled(outputs: list) -> list:
    """Return a cell's outputs as a terminal would have left them: of neighbouring stream outputs one per
    stream, and of each line what follows its last carriage return.

    nbclient's own `coalesce_streams` takes minutes for one line of 400,000 letters (a pattern that looks
    ahead from every letter); this takes one pass.
    """
    kept = []
    for is_stream, group in itertools.groupby(outputs, key=lambda output: output.output_type == "stream"):
        neighbours = list(group)
        kept += _merged(neighbours) if is_stream else neighbours
    return kept


def _merged(streams: list) -> list:
    names = sorted({output.name for output in streams}, reverse=True)  # stdout before stderr
    texts = {name: "".join(output.text for output in streams if output.name == name) for name in names}
    return [
        nbformat.v4.new_output("stream", name=name, text="\n".join(map(last_state, text.split("\n"))))
        for name, text in texts.items()
    ]


def last_state(line: str) -> str:
    """Return what a line shows at last: the text after its last carriage return that anything followed."""
    return line.rstrip("\r").rpartition("\r")[2]


class AtomicBook(NotebookExecutionManager):
    """papermill's manager, saving atomically and keeping each cell's true status."""

    def __init__(self, notebook, run: RunFolder):
        super().__init__(notebook, output_path=None, progress_bar=False, autosave_cell_every=30)
        self.run, self.running = run, None

    def save(self, **_) -> None:
        atomic_write(self.run.notebook, nbformat.writes(self.nb))
        self.last_save_time = self.now()

    def notebook_complete(self, **_) -> None:
        """Replaces papermill's, which calls every cell that was never reached `completed`."""

    def conclude(self, outcome: Outcome) -> None:
        """Give every cell its last status, say in the dead cell what its kernel could not say, and save."""
        for cell in self.nb.cells:
            known = cell.metadata.papermill
            if known["status"] == self.RUNNING:
                known.update(status=self.FAILED, exception=True)
                self._tell(cell, outcome)
            elif known["status"] == self.PENDING:
                never = outcome.state != "done" and cell.cell_type == "code" and cell.source.strip()
                known["status"] = NEVER_RUN if never else self.COMPLETED
        self.nb.metadata.papermill.update(end_time=self.now().isoformat(), exception=outcome.state != "done")
        self.nb.metadata.labkit = {
            "run": self.run.id,
            "state": outcome.state,
            "message": outcome.message,
            "cell": outcome.cell,
            "never_run": self._never_run(),
        }
        self.save()

    def _never_run(self) -> list[int]:
        statuses = [cell.metadata.papermill["status"] for cell in self.nb.cells]
        return [number for number, status in enumerate(statuses, 1) if status == NEVER_RUN]

    def _tell(self, cell, outcome: Outcome) -> None:
        if not any(output.output_type == "error" for output in cell.outputs):
            cell.outputs.append(
                nbformat.v4.new_output(
                    "error", ename=outcome.state, evalue=outcome.message, traceback=[outcome.message]
                )
            )


class HonestClient(PapermillNotebookClient):
    """papermill's client: stops between cells when asked, leaves the dead cell marked, kills whole groups."""

    def __init__(self, book: AtomicBook, execution: Execution, **options):
        super().__init__(
            book, kernel_manager_class=PrivateKernelManager, kernel_name="python3", record_timing=False, **options
        )
        self.execution, self.exit_status = execution, None

    def papermill_execute_cells(self) -> None:
        heading, total = "", len(self.nb.cells)
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type != "code" or not cell.source.strip():
                heading = _heading(cell) or heading
                continue
            if self.execution.stop():
                raise StoppedBetweenCells
            self.nb_man.running = index + 1
            self.execution.on_cell(index + 1, total, heading)
            self.nb_man.cell_start(cell, index)
            self._execute_or_say_why(cell, index)
            self.execution.log.end()
            self.nb_man.cell_complete(cell, cell_index=index)
            self.nb_man.running = None

    def _execute_or_say_why(self, cell, index: int) -> None:
        try:
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
            self.nb_man.cell_complete(cell, cell_index=index)
            raise
        except (CellTimeoutError, DeadKernelError):
            self.exit_status = self._poll()
            self.shutdown_kernel = "immediate"  # a busy kernel would not answer a polite request
            self.kill_group()
            raise
        finally:
            cell.outputs = settled(cell.outputs)

    def kill_group(self) -> None:
        """End the kernel with every process it started (workers, ranks of torchrun)."""
        provisioner = getattr(self.km, "provisioner", None)
        if provisioner is not None and provisioner.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(provisioner.pgid or provisioner.pid, signal.SIGKILL)

    def _poll(self) -> int | None:
        process = getattr(getattr(self.km, "provisioner", None), "process", None)
        for _ in range(20):
            if process is None or process.poll() is not None:
                break
            time.sleep(0.01)
        return process.returncode if process is not None else None


class HonestEngine(Engine):
    """The engine that papermill calls by the name `labkit`."""

    @classmethod
    def execute_notebook(cls, nb, kernel_name, *, execution: Execution, **_):
        book = execution.book = AtomicBook(nb, execution.run)
        client = execution.client = HonestClient(
            book,
            execution,
            timeout=execution.timeout_s,
            startup_timeout=120,
            iopub_timeout=60,
            stdout_file=execution.log,
            stderr_file=execution.log,
        )
        book.notebook_start()
        environment = kernel_environment(execution.run, threads=execution.threads)
        client.execute(env=environment, cwd=str(repo_root()))
        return nb


papermill_engines.register("labkit", HonestEngine)


def _heading(cell) -> str:
    """Return the last heading of a Markdown cell ("" where it has none)."""
    lines = [line for line in cell.source.splitlines() if line.startswith("#")] if cell.cell_type == "markdown" else []
    return lines[-1].lstrip("# ").strip() if lines else ""
