"""The text of a batch job: pure functions from runs and a site to a script that a student can read."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from labrun.slurm.site_config import Site, seconds


def sbatch(
    runs: Sequence[str | Path],
    site: Site,
    *,
    name: str,
    token: str,
    output: str | Path,
    root: str | Path,
    python: str | Path,
    at_once: int | None = None,
    after: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return the script of one job, or of an array where there are several run folders.

    token: finds the job again where sbatch's answer was lost. output: where Slurm writes what the script says
    (the runs' own logs are in their folders). root: the repository. at_once: how many of the array may run at
    a time (%K). after: ids of jobs that must succeed first. environment: variables to export.
    """
    lines = [
        "#!/bin/bash",
        *directives(runs, site, name=name, token=token, output=output, at_once=at_once, after=after),
    ]
    return (
        "\n".join(
            [
                *lines,
                "",
                *_preparation(site, root, environment or {}),
                "",
                *_choice(runs),
                *_execution(site, python, root),
                *_ending(site),
            ]
        )
        + "\n"
    )


def directives(
    runs: Sequence,
    site: Site,
    *,
    name: str,
    token: str,
    output: str | Path,
    at_once: int | None = None,
    after: Sequence[str] = (),
) -> list[str]:
    """Return the #SBATCH lines; sbatch reads none after the first command."""
    limit = f"%{at_once}" if at_once and at_once < len(runs) else ""
    options = [
        f"--job-name={name}",
        f"--comment=labkit:{token}",
        f"--output={_quoted(output)}",
        "--open-mode=append",
        *([f"--array=0-{len(runs) - 1}{limit}"] if len(runs) > 1 else []),
        *([f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"] if after else []),
        *resources(site),
        "--requeue",
        f"--signal=B:USR1@{min(site.warn_s, seconds(site.time) // 2)}",
    ]
    return [f"#SBATCH {option}" for option in options]


def collect(
    ids: Sequence[str],
    *,
    site: Site,
    output: str | Path,
    root: str | Path,
    python: str | Path,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return the script of a small job that makes the results page when the jobs `ids` have ended."""
    small = site.model_copy(update={"gpus": 0, "cpus": 1, "memory": "2G", "time": "00:10:00", "nodes": 1})
    options = [
        "--job-name=collect",
        f"--output={_quoted(output)}",
        f"--dependency=afterany:{':'.join(ids)}",
        *resources(small),
    ]
    program = shlex.join([*container(small, root), "python3" if site.container else str(python)])
    return (
        "\n".join(
            [
                "#!/bin/bash",
                *(f"#SBATCH {option}" for option in options),
                "",
                *_preparation(site, root, environment or {}),
                "",
                f"{program} -m labrun.cli collect",
            ]
        )
        + "\n"
    )


def server(
    folder: str | Path,
    site: Site,
    *,
    token: str,
    root: str | Path,
    python: str | Path,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return the script of the job that serves JupyterLab for `folder`. It is never queued again."""
    output = str(folder).replace("%", "%%") + "/job.out"
    options = [
        "--job-name=jupyter",
        f"--comment=labkit:{token}",
        f"--output={_quoted(output)}",
        *resources(site),
        "--no-requeue",
    ]
    program = shlex.join([*container(site, root), "python3" if site.container else str(python)])
    return (
        "\n".join(
            [
                "#!/bin/bash",
                *(f"#SBATCH {option}" for option in options),
                "",
                *_preparation(site, root, environment or {}),
                "",
                f"exec {program} -m labrun.jupyter {shlex.quote(str(folder))}",
            ]
        )
        + "\n"
    )


def resources(site: Site) -> list[str]:
    """Return the options that say what a job needs; shared with salloc and srun."""
    options = {
        "account": site.account,
        "partition": site.partition,
        "qos": site.qos,
        "constraint": site.constraint,
        "nodes": site.nodes,
        "ntasks-per-node": 1,
        "cpus-per-task": site.cpus,
        "mem": site.memory,
        "time": site.time,
    }
    gpus = [site.gpu_option.format(gpus=site.gpus)] if site.gpus else []
    return [f"--{option}={value}" for option, value in options.items() if value is not None] + gpus


def container(site: Site, root: str | Path) -> list[str]:
    """Return the words that start a command inside the site's container ([]: there is none).

    The image must be built for the node's processor: an x86-64 image does not start on a GH200 (arm64).
    """
    if not site.container:
        return []
    binds = [word for folder in [str(root), *site.binds] for word in ("--bind", folder)]
    return ["apptainer", "exec", *(["--nv"] if site.gpus else []), *binds, site.container]


def bsub(
    runs: Sequence[str | Path],
    site: Site,
    *,
    name: str,
    output: str | Path,
    root: str | Path,
    python: str | Path,
    at_once: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return the script for LSF (`bsub < script`): arrays count from 1, exit code 75 is queued again by LSF.

    Only its rendering is tested: no LSF was at hand. LSF has no warning signal of its own kind: -wa USR1 -wt
    sends it to the script's process group `warn_s` before the limit.
    """
    limit = f"%{at_once}" if at_once and at_once < len(runs) else ""
    array = f"[1-{len(runs)}]{limit}" if len(runs) > 1 else ""
    minutes = -(-seconds(site.time) // 60)
    gpus = [f'-gpu "num={site.gpus}"'] if site.gpus else []
    options = [
        f'-J "{name}{array}"',
        f"-o {_quoted(output)}",
        f"-n {site.cpus}",
        f"-W {minutes}",
        *gpus,
        *([f"-M {site.memory}"] if site.memory else []),
        *([f"-q {site.partition}"] if site.partition else []),
        *([f"-P {site.account}"] if site.account else []),
        "-r",
        '-Q "75"',
        f"-wa USR1 -wt {max(1, min(site.warn_s, seconds(site.time) // 2) // 60)}",
    ]
    lines = ["#!/bin/bash", *(f"#BSUB {option}" for option in options)]
    index = ["index=$(( ${LSB_JOBINDEX:-0} > 0 ? LSB_JOBINDEX - 1 : 0 ))"]
    return (
        "\n".join(
            [
                *lines,
                "",
                *_preparation(site, root, environment or {}),
                "",
                *index,
                *_choice(runs, index="$index"),
                *_execution(site, python, root),
                'exit "$code"',
            ]
        )
        + "\n"
    )


def _preparation(site: Site, root: str | Path, environment: Mapping[str, str]) -> list[str]:
    offline = [
        "export HF_HUB_OFFLINE=1        # this node has no network: a download would hang",
        '[ "${WANDB_MODE-}" = online ] && export WANDB_MODE=offline    # labkit sync sends it later',
    ]
    return [
        "# --- prepare the node",
        f"cd {shlex.quote(str(root))} || exit 1",
        *(f"module load {shlex.quote(module)}" for module in site.modules),
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        *([f'export TMPDIR={shlex.quote(site.scratch)}; mkdir -p "$TMPDIR"'] if site.scratch else []),
        *(offline if site.offline else []),
        f"export OMP_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-{site.cpus}}}",
        *site.setup,
    ]


def _choice(runs: Sequence[str | Path], index: str = "${SLURM_ARRAY_TASK_ID:-0}") -> list[str]:
    return [
        "# --- which run: the job's place in the array chooses",
        "runs=(",
        *(f"  {shlex.quote(str(run))}" for run in runs),
        ")",
        f"run=${{runs[{index}]}}",
        '[ -e "$run/cancel" ] && { echo "$run was cancelled."; exit 1; }',
        'rm -f "$run/stop"               # left by the attempt before',
        "",
    ]


def _execution(site: Site, python: str | Path, root: str | Path) -> list[str]:
    program = "python3" if site.container else str(python)
    command = shlex.join([*container(site, root), program, "-m", "labrun.runner.run"])
    return [
        "# --- run the notebook; what it says is in its own log",
        "# USR1: the time limit is near; training sees this file after its next step, saves and ends.",
        "# TERM: Slurm sends it to the runner as well, so only wait for it.",
        "trap 'touch \"$run/stop\"' USR1",
        "trap : TERM",
        f'{command} "$run" >>"$run/logs/run.log" 2>&1 &',
        "runner=$!",
        'wait "$runner"; code=$?',
        "# (a signal ends a wait, not the runner)",
        'while kill -0 "$runner" 2>/dev/null; do wait "$runner"; code=$?; done',
        'wait "$runner" 2>/dev/null; last=$?; [ "$last" -ne 127 ] && code=$last',
        'echo "$run ended with exit code $code on ${SLURMD_NODENAME:-$(hostname)}."',
        "",
    ]


def _ending(site: Site) -> list[str]:
    return [
        "# --- 75: it has saved and is not finished. Queue this job again, unless a person has cancelled it",
        "job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}",
        "job=${job:-$SLURM_JOB_ID}",
        'if [ "$code" -eq 75 ] && [ ! -e "$run/cancel" ]; then',
        f'  if [ "${{SLURM_RESTART_COUNT:-0}}" -ge {site.max_restarts} ]; then',
        f'    echo "It was restarted {site.max_restarts} times: labkit resume goes on by hand."',
        '    exit "$code"',
        "  fi",
        "  for wait_s in 2 10 30 60; do    # the controller may be away for a moment",
        '    state=$(squeue --noheader --jobs="$job" --format=\'%T %r\') || { sleep "$wait_s"; continue; }',
        "    # any other state: somebody used scancel, or Slurm itself queues it again",
        "    case $state in RUNNING* | *TimeLimit*) ;; *) break ;; esac",
        '    scontrol requeue "$job" && sleep 60    # Slurm ends this script here',
        '    sleep "$wait_s"',
        "  done",
        "fi",
        'exit "$code"',
    ]


def _quoted(path: str | Path) -> str:
    """Return a path for a #SBATCH line, which knows double quotes and backslashes."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if set(text) - _PLAIN else text


_PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./%-+=@:,")
