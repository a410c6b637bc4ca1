"""README and the pages of docs/: links lead somewhere, commands exist with the options named."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def code_lines(text: str) -> list[str]:
    blocks = re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", text, re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").split("\n")
    return [line.strip().removeprefix("$ ") for line in lines if line.strip()]


def commands(text: str, program: str) -> list[str]:
    parts = [part.strip() for line in code_lines(text) for part in re.split(r"&&|;|\|", line.split(" #")[0])]
    return [part for part in parts if part.split()[:1] == [program]]


def check_labkit_command(line: str) -> None:
    """Raise click's own error where labkit does not know the command or an option of this line."""
    from labrun.cli import labkit

    words = shlex.split(line)[1:]
    group = click.Context(labkit, info_name="labkit")
    if words and not words[0].startswith("-"):
        name, command, rest = labkit.resolve_command(group, words)
        command.make_context(name, rest, parent=group)


LABKIT = [(p.name, c) for p in PAGES for c in commands(p.read_text(), "labkit")]
SCRIPTS = [(p.name, c) for p in PAGES for c in commands(p.read_text(), "bash")]


@pytest.mark.parametrize(("page", "line"), LABKIT)
def test_labkit_knows_every_command_that_is_written(page, line):
    check_labkit_command(line)


@pytest.mark.parametrize("line", ["labkit runn 01", "labkit run 01 --sede 3"])
def test_the_check_sees_a_command_that_does_not_exist(line):
    with pytest.raises(click.UsageError):
        check_labkit_command(line)


@pytest.mark.parametrize(("page", "line"), SCRIPTS)
def test_every_script_exists_and_knows_the_options_that_are_written(page, line):
    script, *rest = shlex.split(line)[1:]
    assert (ROOT / script).exists(), script
    usage = subprocess.run(["bash", str(ROOT / script), "--help"], capture_output=True, text=True).stdout
    options = [word for word in rest if word.startswith("--")]
    assert all(option in usage for option in options) or "pytest arguments" in usage


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_relative_link_leads_to_a_file_and_every_picture_has_alt_text(page):
    text = page.read_text()
    for alt, target in re.findall(r"(?<!`)(!?\[[^\]]*\])\(([^)\s]+)\)", text):
        assert alt != "![]", f"{target} has no alt text"
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            assert (page.parent / path).exists(), target
            assert not anchor or path or anchor in anchors(text), target


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_readme_is_short_and_opens_with_the_two_commands():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 250
    first_screen = "\n".join(lines[:40])
    assert "bash scripts/run_lab.sh" in first_screen and "bash scripts/run_tests.sh" in first_screen


def test_the_tree_names_only_what_exists():
    tree = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    folder = ROOT
    for line in tree.splitlines():
        name = line.split()[0]
        inside = line.startswith("  ")
        assert ((folder if inside else ROOT) / name).exists(), name
        folder = folder if inside else ROOT / name
