"""The text of batch jobs, against golden files: what a student reads is what Slurm gets.

python tests/labrun/test_render.py      writes the golden files anew; read the difference then
"""

import subprocess
from pathlib import Path

import pytest

from labrun.slurm import render
from labrun.slurm.site_config import load_site

GOLDEN = Path(__file__).parent / "golden"
HERE = render.Checkout("/home/ann/course", "/home/ann/course/.venv/bin/python")
THERE = render.Checkout(HERE.root, HERE.python, {"LABKIT_RUNS": "/home/ann/my runs"})
ONE = ["/home/ann/course/runs/one"]
FOUR = [f"/home/ann/my runs/many-{number}" for number in range(1, 5)]
SLURM = dict(token="abc", output="/home/ann/out/%a.out")


def texts() -> dict[str, str]:
    """Return every rendered example by the name of its golden file."""
    laptop, byu, olivia = load_site("laptop"), load_site("byu"), load_site("olivia", account="nn9999k")
    mine = load_site(
        "generic",
        modules=["python/3.12", "cuda"],
        scratch="/scratch/ann",
        gpus=2,
        nodes=2,
        constraint="a100|h100",
        setup=["ulimit -n 4096"],
        max_restarts=3,
    )
    after = dict(after=["12", "13_4"])
    return {
        "one_on_laptop.sh": render.sbatch(ONE, laptop, HERE, name="one", **SLURM),
        "array_on_byu.sh": render.sbatch(FOUR, byu, THERE, name="many", at_once=2, **after, **SLURM),
        "container_on_olivia.sh": render.sbatch(ONE, olivia, HERE, name="one", **SLURM),
        "own_site.sh": render.sbatch(ONE, mine, HERE, name="one", **SLURM),
        "collect.sh": render.collect(["12"], byu, HERE, output="/home/ann/out/job.out"),
        "jupyter.sh": render.server("/home/ann/my runs/.jupyter/lab", byu, HERE, token="abc"),
    }


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.sh")))
def test_the_script_is_the_golden_one(name):
    assert texts()[name] == (GOLDEN / name).read_text()


def test_every_example_has_its_golden_file():
    assert set(texts()) == {path.name for path in GOLDEN.glob("*.sh")}


@pytest.mark.parametrize("name", sorted(texts()))
def test_directives_stand_before_the_first_command_and_bash_can_read_the_script(name):
    text = texts()[name]
    lines = text.splitlines()
    directives = [number for number, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert directives == list(range(1, len(directives) + 1)) and lines[0] == "#!/bin/bash"
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).stderr == ""


def test_a_run_is_warned_in_time_however_short_its_limit():
    assert "--signal=B:USR1@180" in render.sbatch(ONE, load_site("byu"), HERE, name="one", **SLURM)
    assert "--signal=B:USR1@30" in render.sbatch(ONE, load_site("byu", time="1"), HERE, name="one", **SLURM)


def test_an_array_of_one_is_a_job_and_an_odd_folder_is_quoted():
    text = render.sbatch(["/tmp/it's $HOME"], load_site("laptop"), HERE, name="x", **SLURM | {"output": '/a "b"/c'})
    assert "--array" not in text and "'/tmp/it'\"'\"'s $HOME'" in text
    assert '#SBATCH --output="/a \\"b\\"/c"' in text


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in texts().items():
        (GOLDEN / name).write_text(text)
