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
    """Grade every wrong, correct and hostile submission of autograder/mutants; exit code 1 if one gets
    through.

    \b Example: python -m autograder audit --labs lab03
    """
    from autograder import audit as auditing
    from autograder import diagnosis, labs

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
@click.option(
    "--hidden-checks", type=click.Choice(["hidden", "after_due_date", "after_published", "visible"])
)
@click.option("--leaderboard", is_flag=True, default=None, help="Show points and seconds of everyone.")
def make_zip(lab, out, **policy):
    """Build the zip that Gradescope takes as the autograder of LAB.

    \b
    Example:
      python -m autograder zip lab03 --late-per-day 0.1
    """
    from autograder.gradescope.package import build

    click.echo(build(lab, Path(out or f"gradescope_{lab}.zip"), **policy))


def _jail(summaries) -> str:
    refused = {one for summary in summaries for case in summary.found for one in case.report.refused}
    return "complete" if not refused else "without " + ", ".join(sorted(refused))


if __name__ == "__main__":
    main()
