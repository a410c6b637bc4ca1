"""The commands about assignments: the public checks for a student, grading for a teacher."""

import json
import sys

import click


@click.command()
@click.argument("lab")
@click.argument("path", required=False, type=click.Path())
def check(lab, path):
    """Run the public checks of LAB on the file in assignments/, or on PATH.

    Exit code 1 where a point is missing.

    \b
    Example:
      labkit check lab03
    """
    from autograder import public
    from autograder.report import to_text

    report = public.report(lab, path)
    click.echo(to_text(report))
    sys.exit(0 if report.score == report.points else 1)


@click.command()
@click.argument("lab")
@click.argument("submission", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print Gradescope's results.json.")
@click.option("--gradescope", type=click.Path(dir_okay=False), help="Write Gradescope's results.json here.")
@click.option("--seed", type=int, help="Repeats an earlier grading exactly (it is in the report).")
def grade(lab, submission, as_json, gradescope, seed):
    """Grade SUBMISSION (a folder, .py, .ipynb or .zip) with all checks of LAB, the hidden ones too.

    \b
    Examples:
      labkit grade lab03 handed_in/ada.zip
      labkit grade lab03 handed_in/ada.zip --json > ada.json
    """
    from autograder.grading import grade as grade_one
    from autograder.report import to_gradescope, to_text
    from autograder.sandbox import Zygote
    from labkit.records import atomic_write

    with Zygote() as zygote:
        report = grade_one(lab, submission, zygote, seed=seed)
    text = json.dumps(to_gradescope(report), indent=1)
    if gradescope:
        atomic_write(gradescope, text)
    click.echo(text if as_json else to_text(report))
