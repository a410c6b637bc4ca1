"""`python -m autograder audit`: the teacher's tools that are not part of `labkit`."""

import datetime
import os
import platform
from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """The autograder's own tools; grading itself is `labkit grade`."""


@main.command()
@click.option("--labs", "names", help="Only these, such as lab01,lab03.")
@click.option("--jobs", type=click.IntRange(1), default=None, help="Submissions at a time (twice the cores).")
@click.option("--seed", type=int, default=2026, show_default=True)
@click.option("--out", default="docs/autograder_audit.md", show_default=True, help="Where the tables go.")
def audit(names, jobs, seed, out):
    """Grade every wrong, correct and hostile submission of autograder/mutants.

    Exit code 0 where all is as it should be, 1 where a wrong or hostile one gets through or a right one loses.

    \b
    Example:
      python -m autograder audit --labs lab03
    """
    from autograder import audit as auditing
    from autograder import labs
    from autograder.classroom import diagnosis

    chosen = [labs.stem(name).partition("_")[0] for name in names.split(",")] if names else labs.names()

    def follow(case):
        if not case.as_it_should_be:
            click.echo(
                f"  {case.kind}/{case.path.name}: {case.report.score:g} of {case.report.points:g}. "
                f"{case.says} {case.verdict}"
            )

    summaries = auditing.audit(chosen, jobs=jobs or 2 * (os.cpu_count() or 1), seed=seed, follow=follow)
    for summary in summaries:
        click.echo(summary.sentence())
        diagnosis.write(summary.lab, summary.found)
    machine = (
        f"{datetime.date.today()}, {platform.machine()} with {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, seed {seed}; jail: {_jail(summaries)}."
    )
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(auditing.to_markdown(summaries, machine=machine))
    raise SystemExit(0 if all(summary.good for summary in summaries) else 1)


@main.command("zip")
@click.argument("lab")
@click.option("--out", type=click.Path(dir_okay=False), help="The zip (gradescope_LAB.zip).")
@click.option("--late-per-day", type=float, help="Part of the points lost for each day late, such as 0.1.")
@click.option("--grace-hours", type=float, help="Hours after the due date that cost nothing.")
@click.option("--hidden-checks", type=click.Choice(["hidden", "after_due_date", "after_published", "visible"]))
@click.option("--leaderboard", is_flag=True, default=None, help="Show points and seconds of everyone.")
def make_zip(lab, out, **policy):
    """Build the zip that Gradescope takes as the autograder of LAB.

    In Gradescope's container the grader ends with exit code 0 where it graded, whatever the score, and with 1
    where it could not: then results.json has one sentence and no score.

    \b
    Example:
      python -m autograder zip lab03 --late-per-day 0.1
    """
    from autograder.gradescope.package import build

    click.echo(build(lab, Path(out or f"gradescope_{lab}.zip"), **policy))


@main.command()
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--labs", "names", help="Only these assignments, such as lab01,lab03 (all).")
@click.option("--reveal", help="Labs that are over, such as lab02: labkit's and the notebooks' answers stay.")
def release(dest, names, reveal):
    """Cut the student copy of the course into DEST, a new folder.

    Left out: right answers, hidden checks, known submissions, tests. The pieces of labkit that answer a lab
    raise one sentence until it is revealed, whether or not its assignment is in the copy. Nothing is written
    where a file differs from the last commit, or would give an answer away.

    \b
    Example:
      python -m autograder release ../students --labs lab01,lab02,lab03 --reveal lab01,lab02
    """
    from autograder import labs
    from autograder.release.cut import cut, require_committed
    from labkit.run_folder import LabError

    try:
        for name in [*_listed(names), *_listed(reveal)]:
            labs.stem(name.strip())
        require_committed()
        made = cut(dest, names=_listed(names), reveal=_listed(reveal))
    except LabError as error:
        raise click.ClickException(str(error)) from None
    click.echo(made.sentence())


def _listed(text: str | None) -> list[str]:
    return text.split(",") if text else []


def _jail(summaries) -> str:
    refused = {one for summary in summaries for case in summary.found for one in case.report.refused}
    return "complete" if not refused else "without " + ", ".join(sorted(refused))


if __name__ == "__main__":
    main()
