"""Site: what a cluster needs to know of a job (account, partition, GPUs, limits), read from a YAML file."""

import os
import re
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from labkit.run_folder import LabError, unknown_name
from labkit.run_folder.validation import Settings, read_yaml

SITES = Path(__file__).parent / "sites"
SITE_VARIABLE = "LABKIT_SITE"
_WORD = re.compile(r"[A-Za-z0-9_.:/@,=+\-\[\]{}&|*()%]+")  # for a #SBATCH line: no spaces, no quotes

OWN = """--array --comment --dependency --job-name --open-mode --output --error --requeue --no-requeue --signal --wait
--test-only --wrap --parsable --clusters --chdir --export""".split()


class Site(Settings):
    """A cluster, and what one job needs there. Every field may be set in a site's YAML file."""

    name: str
    description: str = ""
    account: str | None = None
    account_needed: bool = False  # the cluster refuses jobs that name no account
    partition: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodes: int = Field(default=1, ge=1)
    gpus: int = Field(default=1, ge=0)  # per node
    gpu_option: str = "--gpus-per-node={gpus}"  # the cluster's option of sbatch for GPUs
    extra: list[str] = Field(default_factory=list)  # further options of sbatch, such as --reservation=class
    cpus: int = Field(default=4, ge=1)  # of each task; a notebook is one task
    memory: str | None = None  # of each node: 16G
    time: str = "04:00:00"
    warn_s: int = Field(default=180, ge=1)  # a run is warned to save so long before its time limit
    max_restarts: int = Field(default=20, ge=0)
    max_array: int = Field(default=1000, ge=1)  # the longest array that the cluster takes
    modules: list[str] = Field(default_factory=list)
    setup: list[str] = Field(default_factory=list)  # further lines of shell before the run
    cluster: str | None = None  # the ClusterName of its Slurm: jobs for it go to no other
    container: str | None = None  # an apptainer image that holds Python and torch
    binds: list[str] = Field(default_factory=list)  # folders to mount in the container
    scratch: str | None = None  # becomes TMPDIR
    offline: bool = True  # nodes have no network: Hugging Face and W&B do not try to reach theirs

    @field_validator("account", "partition", "qos", "constraint", "memory", "gpu_option")
    @classmethod
    def _is_one_word(cls, value: str | None) -> str | None:
        if value is not None and not _WORD.fullmatch(value):
            raise ValueError("be one word without spaces or quotes")
        return value

    @field_validator("extra")
    @classmethod
    def _are_options_that_labkit_leaves_free(cls, value: list[str]) -> list[str]:
        for option in value:
            name = option.partition("=")[0]
            if not _WORD.fullmatch(option) or not re.fullmatch("--[a-z][a-z-]+", name):
                raise ValueError("be long options of sbatch without spaces, such as --reservation=class")
            if any(own.startswith(name) for own in OWN):  # sbatch takes names that are cut short
                raise ValueError(f"leave {name} to labkit")
        return value

    @field_validator("time")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        seconds(value)
        return value


def seconds(limit: str) -> int:
    """Return the seconds of a time limit as Slurm writes it: MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM[:SS].

    Raises ValueError for others, and for a limit of zero.
    """
    found = re.fullmatch(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?|(\d+):(\d+):(\d+)|(\d+)(?::(\d+))?", limit)
    days, hours, minutes, rest, h, m, s, mm, ss = (int(part or 0) for part in found.groups()) if found else [0] * 9
    total = ((days * 24 + hours + h) * 60 + minutes + m + mm) * 60 + rest + s + ss
    if total == 0:
        raise ValueError("be a time limit such as 30 (minutes), 04:00:00 or 1-12:00")
    return total


def site_names() -> list[str]:
    """Return the sites that come with labkit."""
    return sorted(path.stem for path in SITES.glob("*.yaml"))


def load_site(name: str | None = None, **chosen: Any) -> Site:
    """Return the site of this name, or of this YAML file, with `chosen` fields put over its own.

    Without a name: LABKIT_SITE, else generic. Fields that are None count as not chosen. Raises LabError for
    an unknown site, a file that cannot be read, an unknown field and a wrong value.
    """
    name = name or os.environ.get(SITE_VARIABLE) or "generic"
    path = Path(name).expanduser() if name.endswith((".yaml", ".yml")) else SITES / f"{name}.yaml"
    if path.parent == SITES and not path.is_file():
        raise unknown_name("site", name, site_names())
    own: dict[str, Any] = {"name": path.stem, "account": os.environ.get("SBATCH_ACCOUNT") or None} | read_yaml(path)
    if chosen.get("extra") and isinstance(own.get("extra", []), list):
        chosen["extra"] = [*own.get("extra", []), *chosen["extra"]]
    try:
        return Site(**own | {key: value for key, value in chosen.items() if value is not None})
    except LabError as error:
        raise LabError(f"Site {path.stem}: {error}") from None
