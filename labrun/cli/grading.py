"""The commands about assignments: the public checks for a student, grading for a teacher."""

import json
import sys
from pathlib import Path

import click

from labkit.run_folder import LabError


@click.command()
@click.argument("lab")
@click.argument("path", required=False, type=click.Path())
def check(lab, path):
    """Run the public checks of LAB on your own work.

    That is the file in assignments/, or PATH.

    \b
    Exit codes:
      0  all points of the public checks
      1  a point is missing
      2  nothing was checked: no such lab or file, or this machine cannot grade (one sentence says why)

    Example: labkit check lab03
    """
    from autograder import public

    report = public.report(lab, path)
    from autograder.classroom.report import to_text  # imports torch: not before the fork server has begun to

    click.echo(to_text(report))
    sys.exit(0 if report.score == report.points else 1)


@click.command()
@click.argument("lab")
@click.argument("submission", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print Gradescope's results.json.")
@click.option("--gradescope", type=click.Path(dir_okay=False), help="Write Gradescope's results.json here.")
@click.option("--out", type=click.Path(dir_okay=False), help="Grade a whole folder of submissions; the table.")
@click.option("--jobs", type=click.IntRange(1), help="Submissions at a time, with --out (twice the cores).")
@click.option("--seed", type=int, help="Repeats an earlier grading exactly (it is in the report).")
def grade(lab, submission, as_json, gradescope, out, jobs, seed):
    """Grade SUBMISSION, or a whole class, in LAB.

    All checks count, the hidden ones too. SUBMISSION is a folder, .py, .ipynb or .zip; with --out, a folder
    that holds one of these for each student.

    \b
    Exit codes:
      0  graded, whatever the score
      2  nothing was graded: no such lab or file, or this machine cannot grade (one sentence says why)

    \b
    Examples:
      labkit grade lab03 handed_in/ada.zip
      labkit grade lab03 handed_in/ada.zip --json > ada.json
      labkit grade lab03 handed_in/ --out gradebook.csv
    """
    if not Path(submission).exists():  # the path is the teacher's: a typo shall not become a zero
        raise LabError(f"There is no {submission}, so nothing was graded: give the path of the submission.")
    if out:
        return _grade_class(lab, submission, out, jobs, seed)
    from autograder.classroom import records
    from autograder.classroom.report import to_gradescope, to_text
    from autograder.engine.fork_server import ForkServer
    from autograder.grading import grade as grade_one
    from labkit.run_folder import atomic_write

    if Path(submission).is_dir() and records.is_class(lab, Path(submission)):
        raise LabError(f"{submission} holds several submissions: for a class add --out gradebook.csv, else name one.")
    with ForkServer() as server:
        report = grade_one(lab, submission, server, seed=seed)
    text = json.dumps(to_gradescope(report), indent=1)
    if gradescope:
        atomic_write(gradescope, text)
    click.echo(text if as_json else to_text(report))


def _grade_class(lab, folder, out, jobs, seed):
    from tqdm import tqdm

    from autograder.classroom import gradebook, records

    if not Path(folder).is_dir():
        raise LabError(f"{folder} is no folder of submissions; without --out, one submission is graded.")
    out = Path(out)
    paths = records.submissions(Path(folder), [*gradebook.tables(out), gradebook.pages(out)])
    with tqdm(total=len(paths), unit="submission", file=sys.stderr) as bar:
        reports = records.grade_class(
            lab, paths, gradebook.pages(out) / "records", jobs=jobs, seed=seed, follow=lambda report: bar.update()
        )
    click.echo(gradebook.write(out, paths, reports))
