"""The command line: `labkit run`, `sweep`, `status`, ...; each command calls a function of a lower floor."""

import os
import sys

import click

from labkit.run_folder import LabError
from labrun.cli import grading, lab, runs


def main() -> None:
    """Run the command line; a mistake of the user's is one sentence and exit code 2."""
    try:
        sys.exit(labkit.main(standalone_mode=False) or 0)
    except LabError as error:
        _stop(str(error), 2, error)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else error.format_message())
        sys.exit(2)
    except click.Abort:
        _stop("Stopped.", 130)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        _stop(error.format_message() + (f" See `{context.command_path} --help`." if context else ""), 2, error)
    except UnicodeError as error:
        typed = any("\ud800" <= letter <= "\udfff" for word in sys.argv for letter in word)
        _stop(f"{'A name on the command line' if typed else 'A text'} is no UTF-8 ({error}).", 2, error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader (head, less) has left
        sys.exit(0)
    except OSError as error:
        _stop(f"The operating system refused: {error}.", 1, error)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="labkit")
def labkit():
    """The course lab: run notebooks as jobs, follow them, and read their results.

    \b
    A first round:
      labkit doctor                  is everything in place?
      labkit run 01                  execute notebooks/01_..., with live progress
      labkit status                  every run with its state
      labkit collect                 all results in one page, runs/index.html
    """


_RUNS = (runs.run, runs.sweep, runs.status, runs.logs, runs.cancel, runs.resume, runs.collect)
_LAB = (lab.fetch, lab.sync, lab.doctor, lab.models, lab.modes)
for command in (*_RUNS, lab.jupyter, *_LAB, grading.check, grading.grade):
    labkit.add_command(command)


def _stop(sentence: str, code: int, error: BaseException | None = None) -> None:
    if error is not None and os.environ.get("LABKIT_DEBUG") == "1":
        sys.excepthook(type(error), error, error.__traceback__)
    click.echo(f"labkit: {sentence}", err=True)
    sys.exit(code)
