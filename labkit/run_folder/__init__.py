"""Run folders: the records of a run, its attempts, paths and errors. All that labrun needs of labkit; no torch."""

from labkit.run_folder.errors import Interrupted, LabError, Superseded, number, unknown_name, whole_number
from labkit.run_folder.paths import DINOV3, cache_dir, data_dir, private_environment, repo_root, runs_dir
from labkit.run_folder.processes import is_alive, process_identity, send_signal, usable_cores, without_ranks
from labkit.run_folder.records import (
    RUN_DIR_VARIABLE,
    STATES,
    RunFolder,
    atomic_write,
    current_run,
    make_folder,
    read_json,
    to_json,
    write_error,
)

__all__ = [
    "DINOV3",
    "RUN_DIR_VARIABLE",
    "STATES",
    "Interrupted",
    "LabError",
    "RunFolder",
    "Superseded",
    "atomic_write",
    "cache_dir",
    "current_run",
    "data_dir",
    "is_alive",
    "make_folder",
    "number",
    "private_environment",
    "process_identity",
    "read_json",
    "repo_root",
    "runs_dir",
    "send_signal",
    "to_json",
    "unknown_name",
    "usable_cores",
    "whole_number",
    "without_ranks",
    "write_error",
]
