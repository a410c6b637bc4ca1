"""Site: what a cluster wants to be told (account, partition, GPUs, limits), read from a YAML file."""

import os
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from labkit.run_folder import LabError, unknown_name

SITES = Path(__file__).parent / "sites"
SITE_VARIABLE = "LABKIT_SITE"
_WORD = re.compile(r"[A-Za-z0-9_.:/@,=+\-\[\]{}&|*()%]+")  # for a #SBATCH line: no spaces, no quotes


class Site(BaseModel):
    """A cluster, and what one job asks of it. Every field may be set in a site's YAML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    account: str | None = None
    account_needed: bool = False  # the cluster refuses jobs that name no account
    partition: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodes: int = Field(default=1, ge=1)
    gpus: int = Field(default=1, ge=0)  # per node
    gpu_option: str = "--gpus-per-node={gpus}"  # how this cluster is asked for GPUs
    cpus: int = Field(default=4, ge=1)  # of each task; a notebook is one task
    memory: str | None = None  # of each node: 16G
    time: str = "04:00:00"
    warn_s: int = Field(default=180, ge=1)  # how long before the time limit a run is told to save
    max_restarts: int = Field(default=20, ge=0)
    max_array: int = Field(default=1000, ge=1)  # the longest array that the cluster takes
    modules: list[str] = Field(default_factory=list)
    setup: list[str] = Field(default_factory=list)  # further lines of shell before the run
    container: str | None = None  # an apptainer image that holds Python and torch
    binds: list[str] = Field(default_factory=list)  # folders that the container shall see
    scratch: str | None = None  # becomes TMPDIR
    offline: bool = True  # nodes have no network: Hugging Face and W&B are told

    @field_validator("account", "partition", "qos", "constraint", "memory", "gpu_option")
    @classmethod
    def _is_one_word(cls, value: str | None) -> str | None:
        if value is not None and not _WORD.fullmatch(value):
            raise ValueError("must be one word without spaces or quotes")
        return value

    @field_validator("time")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        seconds(value)
        return value


def seconds(limit: str) -> int:
    """Return the seconds of a time limit as Slurm writes it: MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM[:SS]."""
    days, dash, clock = limit.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in [*parts, *([days] if dash else [])]) or len(parts) > 3:
        raise ValueError("must be a time limit such as 30 (minutes), 04:00:00 or 1-12:00")
    numbers = [int(part) for part in parts]
    if dash:  # D-HH[:MM[:SS]]
        hours, minutes, rest = (numbers + [0, 0])[:3]
    elif len(numbers) == 3:
        hours, minutes, rest = numbers
    else:  # MM[:SS]
        hours, minutes, rest = 0, *(numbers + [0])[:2]
    total = (int(days or 0) * 24 + hours) * 3600 + minutes * 60 + rest
    if total <= 0:
        raise ValueError("must be longer than nothing")
    return total


def site_names() -> list[str]:
    """Return the sites that come with labkit."""
    return sorted(path.stem for path in SITES.glob("*.yaml"))


def load_site(name: str | None = None, **chosen: Any) -> Site:
    """Return the site of this name, or of this YAML file, with `chosen` fields put over its own.

    Without a name: LABKIT_SITE, else generic. Fields that are None count as not chosen. Raises LabError for
    an unknown site, a YAML file that is none, an unknown field and a wrong value.
    """
    name = name or os.environ.get(SITE_VARIABLE) or "generic"
    path = Path(name).expanduser() if name.endswith((".yaml", ".yml")) else SITES / f"{name}.yaml"
    if path.parent == SITES and not path.is_file():
        raise unknown_name("site", name, site_names())
    return _validated(path, _read(path) | {k: v for k, v in chosen.items() if v is not None})


def _read(path: Path) -> dict:
    import yaml

    try:
        fields = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise LabError(
            f"There is no site file {path}; sites that come with labkit: {', '.join(site_names())}."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LabError(f"The site file {path} cannot be read as YAML: {error}.") from None
    if not isinstance(fields, dict):
        raise LabError(f"The site file {path} must hold `name: value` lines, see {SITES / 'byu.yaml'}.")
    return fields


def _validated(path: Path, fields: dict) -> Site:
    try:
        return Site(**{"name": path.stem} | fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise unknown_name("site field", name, Site.model_fields) from None
        said = first["msg"].removeprefix("Value error, ")
        raise LabError(f"The site {path.stem}: {name} is wrong: {said} (got {first['input']!r}).") from None
