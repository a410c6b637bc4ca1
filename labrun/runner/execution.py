"""papermill with atomic saves and true cell statuses: its own marks every cell of a dead kernel `completed`."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import nbformat
import papermill
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines

from labkit.run_folder import RunFolder, atomic_write, repo_root
from labrun.environment import kernel_environment
from labrun.runner.kernel import PrivateKernelManager
from labrun.runner.outcome import Outcome, StoppedBetweenCells, dead_kernel, failed_cell
from labrun.runner.output import SHOWN_BYTES, CellOutputs, LineLog, size_of
from labrun.spec import RunSpec, headings, read_notebook

NEVER_RUN = "never-run"


class Execution:
    """One notebook being executed. `kill()` may be called from another thread."""

    def __init__(self, run: RunFolder, spec: RunSpec):
        self.run, self.spec, self.log = run, spec, LineLog(sys.stdout)
        self.client: LabkitClient | None = None
        self.book: AtomicNotebook | None = None

    def execute(self) -> Outcome:
        """Run every cell and return how it ended. Raises LabError where the notebook cannot be saved."""
        for noisy in ("papermill", "traitlets"):  # papermill's warning on parameters is wrong (pain 6)
            logging.getLogger(noisy).setLevel(logging.ERROR)
        notebook = nbformat.reads(json.dumps(read_notebook(self.run.source)), as_version=4)  # in any UTF
        notebook.metadata.setdefault("papermill", {})
        options = {"kernel_name": "python3", "language": "python", "progress_bar": False, "cwd": str(repo_root())}
        options |= {"parameters": self.spec.parameters, "engine_name": "labkit", "execution": self}
        try:
            papermill.execute_notebook(notebook, None, **options)
        except StoppedBetweenCells:
            return Outcome("interrupted", 75, "Stopped between two cells.")
        except CellTimeoutError:
            limit = f"{self.spec.timeout_s:g} s" if self.spec.timeout_s else "its output allows"
            return Outcome("timeout", 71, f"Cell {self.cell} took longer than {limit} and was ended.", self.cell)
        except CellExecutionError as error:
            return failed_cell(error.ename, error.evalue, self.cell)
        except RuntimeError as error:
            return dead_kernel(self.client.exit_status if self.client else None, self.cell, error)
        return Outcome("done", 0)

    @property
    def cell(self) -> int | None:
        """The number (from 1) of the cell that runs, or that ended the run."""
        return self.book.running if self.book else None

    def kill(self) -> None:
        """End the kernel and all it started, now."""
        if self.client is not None:
            self.client.kill_group()


class AtomicNotebook(NotebookExecutionManager):
    """papermill's manager, saving atomically and keeping each cell's true status."""

    def __init__(self, notebook, run: RunFolder):
        super().__init__(notebook, output_path=None, progress_bar=False, autosave_cell_every=30)
        self.run, self.running = run, None

    def save(self, **_) -> None:
        atomic_write(self.run.notebook, nbformat.writes(self.nb))
        self.last_save_time = self.now()

    def notebook_complete(self, **_) -> None:
        """Replaces papermill's, which marks every cell that was never reached `completed`."""

    def conclude(self, outcome: Outcome) -> None:
        """Give every cell its last status, write into the dead cell how it ended, and save."""
        never_run, ended_early = [], outcome.state == "done" and outcome.cell
        for number, cell in enumerate(self.nb.cells, 1):
            known = cell.metadata.papermill
            if number == ended_early:
                known.update(status=self.COMPLETED, exception=False)
            elif known["status"] == self.RUNNING:
                known.update(status=self.FAILED, exception=True)
                if not any(output.output_type == "error" for output in cell.outputs):
                    error = {"ename": outcome.state, "evalue": outcome.message, "traceback": [outcome.message]}
                    cell.outputs.append(nbformat.v4.new_output("error", **error))
            elif known["status"] == self.PENDING:
                never = (outcome.state != "done" or ended_early) and cell.cell_type == "code" and cell.source.strip()
                known["status"] = NEVER_RUN if never else self.COMPLETED
                never_run += [number] if never else []
        self.nb.metadata.papermill.update(end_time=self.now().isoformat(), exception=outcome.state != "done")
        ending = {"state": outcome.state, "message": outcome.message, "cell": outcome.cell, "never_run": never_run}
        self.nb.metadata.labkit = {"run": self.run.id} | ending
        self.save()


class LabkitClient(PapermillNotebookClient):
    """papermill's client: stops between cells where the run has a stop flag, kills whole process groups."""

    def __init__(self, book: AtomicNotebook, execution: Execution, **options):
        manager = {"kernel_manager_class": PrivateKernelManager, "kernel_name": "python3"}
        super().__init__(book, record_timing=False, **manager, **options)
        self.execution, self.exit_status, self.kept = execution, None, CellOutputs()

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "update_display_data" and size_of(msg["content"]) > SHOWN_BYTES:
            return None
        return super().process_message(msg, cell, cell_index)

    def output(self, outs, msg, display_id, cell_index):
        if self.clear_before_next_output:
            self.kept.begin()
        if msg["msg_type"] != "stream" and not self.kept.admits(msg["content"]):
            return None
        output = super().output(outs, msg, display_id, cell_index)
        if output is not None and output.output_type == "stream":
            self.kept.printed(outs, output.text)
        return output

    def clear_output(self, outs, msg, cell_index):
        super().clear_output(outs, msg, cell_index)
        if not outs:
            self.kept.begin()

    def papermill_execute_cells(self) -> None:
        heading, total = "", len(self.nb.cells)
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type != "code" or not cell.source.strip():
                heading = next((line.lstrip("# ").strip() for line in reversed(headings(cell))), heading)
                continue
            if self.execution.run.stop_requested():
                raise StoppedBetweenCells
            self.nb_man.running = index + 1
            print(f"[cell {index + 1}/{total}] {heading}".rstrip(), flush=True)
            place = {"cell": index + 1, "cells": total, "heading": heading or None}
            self.execution.run.write_status("running", **place, cell_started=round(time.time(), 3))
            self.nb_man.cell_start(cell, index)
            try:
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                self.nb_man.cell_complete(cell, cell_index=index)
                raise
            except (CellTimeoutError, DeadKernelError):
                process = getattr(getattr(self.km, "provisioner", None), "process", None)
                if process is not None:
                    with suppress(subprocess.TimeoutExpired):  # a kernel that was too slow still lives
                        self.exit_status = process.wait(timeout=0.2)
                self.shutdown_kernel = "immediate"  # a busy kernel would not answer a polite request
                self.kill_group()
                raise
            finally:
                cell.outputs = self.kept.finish(cell.outputs)
                self.execution.log.end()
            self.nb_man.cell_complete(cell, cell_index=index)
            self.nb_man.running = None

    def kill_group(self) -> None:
        """End the kernel with every process it started (workers, ranks of torchrun)."""
        provisioner = getattr(self.km, "provisioner", None)
        if provisioner is not None and provisioner.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(provisioner.pgid or provisioner.pid, signal.SIGKILL)


class LabkitEngine(Engine):
    """The engine that papermill calls by the name `labkit`."""

    @classmethod
    def execute_notebook(cls, nb, kernel_name, *, execution: Execution, **_):
        book = execution.book = AtomicNotebook(nb, execution.run)
        limits = {"timeout": execution.spec.timeout_s, "startup_timeout": 120, "iopub_timeout": 60}
        logs = {"stdout_file": execution.log, "stderr_file": execution.log}
        client = execution.client = LabkitClient(book, execution, **limits, **logs)
        book.notebook_start()
        environment = kernel_environment(execution.run, threads=execution.spec.threads)
        client.execute(env=environment, cwd=str(repo_root()))
        return nbformat.v4.new_notebook()  # papermill looks for errors in it, and knows no raises-exception


papermill_engines.register("labkit", LabkitEngine)
