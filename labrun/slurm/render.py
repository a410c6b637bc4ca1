"""The text of a batch job: pure functions from runs and a site to a script (job.sh.j2) that a student can read."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labrun.slurm.site_config import Site, seconds


@dataclass(frozen=True)
class Checkout:
    """What a job works with: the repository, its Python, and the variables to export."""

    root: str | Path
    python: str | Path
    environment: Mapping[str, str] = field(default_factory=dict)


def sbatch(
    runs: Sequence[str | Path],
    site: Site,
    checkout: Checkout,
    *,
    name: str,
    token: str,
    output: str | Path,
    at_once: int | None = None,
    after: Sequence[str] = (),
) -> str:
    """Return the script of one job, or of an array where there are several run folders.

    token: finds the job where sbatch's reply was lost. output: the file for what the script itself prints
    (the runs' own logs are in their folders). at_once: how many of the array may run at a time (%K).
    after: ids of jobs that must succeed first.
    """
    limit = f"%{at_once}" if at_once and at_once < len(runs) else ""
    options = [
        *_head(name, output, token),
        "--open-mode=append",
        *([f"--array=0-{len(runs) - 1}{limit}"] if len(runs) > 1 else []),
        *([f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"] if after else []),
        *resources(site),
        "--requeue",
        f"--signal=B:USR1@{min(site.warn_s, seconds(site.time) // 2)}",
    ]
    return _script(options, site, checkout, _python(site, checkout, "labrun.runner.run"), runs)


def collect(ids: Sequence[str], site: Site, checkout: Checkout, *, output: str | Path) -> str:
    """Return the script of a small job that makes the results page when the jobs `ids` have ended."""
    small = site.but(gpus=0, cpus=1, memory="2G", time="00:10:00", nodes=1)
    options = [*_head("collect", output), f"--dependency=afterany:{':'.join(ids)}", *resources(small)]
    return _script(options, small, checkout, f"{_python(small, checkout, 'labrun.cli')} collect")


def server(folder: str | Path, site: Site, checkout: Checkout, *, token: str) -> str:
    """Return the script of the job that serves JupyterLab for `folder`. It is never queued again."""
    output = str(folder).replace("%", "%%") + "/job.out"
    options = [*_head("jupyter", output, token), *resources(site), "--no-requeue"]
    command = f"exec {_python(site, checkout, 'labrun.jupyter')} {shlex.quote(str(folder))}"
    return _script(options, site, checkout, command)


def resources(site: Site) -> list[str]:
    """Return the options for the resources of a job."""
    options = {name: getattr(site, name) for name in ("account", "partition", "qos", "constraint", "nodes")}
    options |= {"ntasks-per-node": 1, "cpus-per-task": site.cpus, "mem": site.memory, "time": site.time}
    gpus = [site.gpu_option.format(gpus=site.gpus)] if site.gpus else []
    return [f"--{option}={value}" for option, value in options.items() if value is not None] + gpus + site.extra


def _head(name: str, output: str | Path, token: str | None = None) -> list[str]:
    comment = [f"--comment=labkit:{token}"] if token else []
    path = str(output).replace("\\", "\\\\").replace('"', '\\"')  # a #SBATCH line knows double quotes and backslashes
    return [f"--job-name={name}", *comment, f'--output="{path}"']


def _python(site: Site, checkout: Checkout, module: str) -> str:
    """Return the command that runs a module, inside the site's container where it has one.

    The image must be built for the node's processor: an x86-64 image does not start on a GH200 (arm64).
    """
    if not site.container:
        return shlex.join([str(checkout.python), "-m", module])
    binds = [word for folder in [str(checkout.root), *site.binds] for word in ("--bind", folder)]
    gpus = ["--nv"] if site.gpus else []
    return shlex.join(["apptainer", "exec", *gpus, *binds, site.container, "python3", "-m", module])


def _script(options: list[str], site: Site, checkout: Checkout, command: str, runs: Sequence[str | Path] = ()) -> str:
    from jinja2 import Environment, FileSystemLoader

    folder = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=folder, trim_blocks=True, keep_trailing_newline=True)
    templates.filters["quote"] = lambda value: shlex.quote(str(value))
    script = templates.get_template("job.sh.j2")
    return script.render(
        options=options, site=site, root=checkout.root, environment=checkout.environment, command=command, runs=runs
    )
