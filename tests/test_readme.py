"""README, docs/ and the other pages: links lead somewhere, commands exist with the options named, trees are true."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "autograder" / "README.md",
    ROOT / "benchmarks" / "RESULTS.md",
    *sorted((ROOT / "assignments").glob("*/README.md")),
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@cache
def text_of(page: Path) -> str:
    """Return the Markdown of a page, or of a notebook's cells."""
    if page.suffix == ".md":
        return page.read_text()
    cells = json.loads(page.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def code_lines(text: str) -> list[str]:
    """Return the lines of all blocks of shell, with continued lines joined."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
    blocks = "\n".join(block for language, block in fences if language in ("", "bash", "sh", "console"))
    return [line.strip().removeprefix("$ ") for line in blocks.replace("\\\n", "").split("\n") if line.strip()]


def commands(text: str, program: str) -> list[str]:
    parts = [part.strip() for line in code_lines(text) for part in re.split(r"&&|;|\|", line.split(" #")[0])]
    return [part for part in parts if part == program or part.startswith(program + " ")]


def inline_commands(text: str) -> list[str]:
    """Return the `labkit ...` commands within sentences; they may lack arguments."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.findall(r"(?<!`)`(labkit [a-z][^`]*)`(?!`)", prose.replace("\n", " "))


def check_command(group: click.Group, words: list[str], *, whole: bool = True) -> None:
    """Raise click's own error where the group does not know the command or an option of these words.

    whole: arguments must be complete as well.
    """
    context = click.Context(group)
    while words and not words[0].startswith("-"):
        name, command, words = context.command.resolve_command(context, words)
        if not isinstance(command, click.Group):
            command.make_context(name, words, parent=context, resilient_parsing=not whole)
            return
        context = click.Context(command, info_name=name, parent=context)


def check_labkit_command(line: str, *, whole: bool = True) -> None:
    from labrun.cli import labkit

    check_command(labkit, shlex.split(line)[1:], whole=whole)


def wrong_commands() -> Iterator[str]:
    """Yield a sentence for each command of the pages and notebooks that does not parse."""
    from autograder.__main__ import main as autograder

    for page in [*PAGES, *NOTEBOOKS]:
        text = text_of(page)
        whole = [(line, True) for line in commands(text, "labkit")]
        for line, complete in whole + [(line, False) for line in inline_commands(text)]:
            try:
                check_labkit_command(line, whole=complete)
            except click.UsageError as error:
                yield f"{page.name}: {line}: {error.format_message()}"
        for line in commands(text, "python -m autograder"):
            try:
                check_command(autograder, shlex.split(line)[3:])
            except click.UsageError as error:
                yield f"{page.name}: {line}: {error.format_message()}"


def test_every_command_that_is_written_exists_with_its_options():
    assert not list(wrong_commands())
    assert len(commands(text_of(ROOT / "docs" / "runs.md"), "labkit")) >= 10, "the commands are not found any more"


@pytest.mark.parametrize("line", ["labkit runn 01", "labkit run 01 --sede 3", "labkit jupyter strat"])
def test_the_check_sees_a_command_that_does_not_exist(line):
    with pytest.raises(click.UsageError):
        check_labkit_command(line)


def test_every_script_exists_and_knows_the_options_that_are_written():
    lines = {
        line for page in [*PAGES, *NOTEBOOKS] for start in ("bash", "sbatch") for line in commands(text_of(page), start)
    }
    usages: dict[str, str] = {}
    for line in sorted(lines):
        script, *rest = shlex.split(line)[1:]
        assert (ROOT / script).is_file(), line
        if not (options := [word.partition("=")[0] for word in rest if word.startswith("--")]):
            continue
        if script not in usages:
            done = subprocess.run(["bash", str(ROOT / script), "--help"], capture_output=True, text=True)
            usages[script] = done.stdout
        usage = usages[script]
        assert all(option in usage for option in options) or "pytest arguments" in usage, line


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path, text: str) -> list[str]:
    """Return what is wrong with a page's links: no such file, no such heading, a picture without alt text."""
    found = []
    for alt, target in re.findall(r"(?<!`)(!?\[[^\]]*\])\(([^)\s]+)\)", text):
        if alt == "![]":
            found.append(f"{target} has no alt text")
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        if not there.exists() or (anchor and anchor not in anchors(text if there == page else there.read_text())):
            found.append(target)
    return found


def test_every_relative_link_leads_to_a_file_and_every_picture_has_alt_text():
    faults = {page.name: broken for page in PAGES if (broken := broken_links(page, text_of(page)))}
    assert not faults


def test_the_link_check_sees_each_fault():
    page = ROOT / "README.md"
    text = "# A\n[a](LICENSE) [b](#a) [c](nowhere.md) [d](#z) [e](docs/runs.md#zz) ![](docs/real_images.png)"
    wanted = ["nowhere.md", "#z", "docs/runs.md#zz", "docs/real_images.png has no alt text"]
    assert broken_links(page, text) == wanted


def test_every_page_of_docs_is_linked_from_another_page():
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s:]+)\)", text_of(page))
    }
    assert set((ROOT / "docs").glob("*.md")) <= linked


def test_readme_opens_with_the_two_commands():
    first_screen = "\n".join(text_of(ROOT / "README.md").splitlines()[:40])
    assert "bash scripts/run_lab.sh" in first_screen and "bash scripts/run_tests.sh" in first_screen


def test_the_trees_name_only_what_exists():
    for page in PAGES:
        for tree in re.findall(r"```text\n(.*?)```", text_of(page), re.S):
            folder = page.parent
            for line in tree.splitlines():
                inside, name = line.startswith("  "), line.split()[0]
                there = (folder if inside else page.parent) / name
                assert there.exists(), f"{page.name}: {name}"
                folder = folder if inside else there


def test_the_map_names_losses_and_transforms():
    tree = re.search(r"```text\n(.*?)```", text_of(ROOT / "README.md"), re.S).group(1)
    assert "losses.py" in tree and "transforms/" in tree


def test_published_figures_carry_their_sources_name():
    """Whoever reads "published" must also read by whom."""
    sources = ("CS 674", "Model Zhu", "Olivia", "cifar10_analysis", "HPML")
    for page in [*PAGES, *NOTEBOOKS]:
        for paragraph in re.split(r"\n\s*\n", text_of(page)):
            if re.search(r"\bpublished by\b", paragraph, re.I):
                assert any(name in paragraph for name in sources), f"{page.name}: {paragraph[:100]}"


BRITISH = re.compile(
    r"colour|grey\b|neighbour|behaviour|favour|\blearnt\b|\bcentre|labelled|licence|"
    r"(?:normal|optim|initial|general|standard|regular|recogn|synchron|memor|visual)is(?:e|ing|ation)",
    re.I,
)


def test_prose_is_spelled_as_torch_spells():
    """Code keeps its names, generated tables are left to their generators."""
    pages = [page for page in [*PAGES, *NOTEBOOKS] if page.name not in ("autograder_audit.md", "RESULTS.md")]
    found = {page.name: words for page in pages if (words := BRITISH.findall(re.sub("`[^`]*`", "", text_of(page))))}
    assert not found
