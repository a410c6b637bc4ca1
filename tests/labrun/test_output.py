"""Whatever a notebook prints and shows, its log, its notebook, its page and the runner's memory stay bounded."""

import io
import subprocess
import sys

import nbformat
import pytest

from labrun.runner import output
from labrun.runner.output import CellOutputs, LineLog, coalesce_streams


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def printed(*texts):
    """Return the outputs of a cell that prints these texts, one message each."""
    kept, outputs = CellOutputs(), []
    for number, text in enumerate(texts):
        outputs.append(stream(text))
        kept.printed(outputs, text)
        if number % 1000 == 0:
            assert sum(len(o.text) for o in outputs) < output.HEAD + 6 * output.TAIL
    return kept.finish(outputs)


def test_printed_text_keeps_its_beginning_and_its_end():
    lines = [f"line {number:042}\n" for number in range(40_000)]
    [one] = printed(*lines)
    assert one.text.startswith(lines[0] + lines[1]) and one.text.endswith(lines[-2] + lines[-1])
    note = one.text[output.HEAD :].splitlines()[1]
    gone = int(note.split()[1].replace(",", ""))
    assert gone == sum(map(len, lines)) - (len(one.text) - len(note) - 2)
    assert len(one.text) < output.HEAD + 2 * output.TAIL + 200


def test_text_within_the_limits_stays_as_a_terminal_would_have_left_it():
    bar = [f"\rstep {number}" for number in range(20_000)]
    assert [o.text for o in printed("begin\n", *bar, "\nend\n")] == ["begin\nstep 19999\nend\n"]
    exact = "x" * (output.HEAD + output.TAIL)
    assert [o.text for o in printed(exact)] == [exact]


def test_figures_beyond_the_limit_are_counted():
    kept, outputs = CellOutputs(), []
    for number in range(50):
        content = {"data": {"text/html": str(number) * 500_000}}
        if kept.admits(content):
            outputs.append(nbformat.v4.new_output("display_data", content["data"]))
    shown = kept.finish(outputs)
    assert shown[0].data["text/html"][0] == "0" and sum(len(str(o)) for o in shown) < 1.1 * output.SHOWN_BYTES
    assert shown[-1].text == f"[{50 - len(shown) + 1} outputs were left out: a cell keeps 20 MB of them]\n"


def test_a_log_keeps_the_beginning_of_a_run_and_the_end_of_each_cell():
    file = io.StringIO()
    log = LineLog(file)
    for cell in range(2):
        for number in range(30_000):
            log.write(f"{cell} {number} {'.' * 400}\n")
        log.end()
    text = file.getvalue()
    assert len(text) < output.LOG_CHARS + 3 * output.LOG_TAIL and text.startswith("0 0 ...")
    assert "\n0 29999 ." in text and text.rstrip(".\n").endswith("1 29999 ") and text.count("[... left out") == 2


CELLS = {
    "print": "line = 'x' * 999\nfor _ in range(60_000): print(line)\nprint('the end')",
    "one line": "import sys\nfor _ in range(3000): sys.stdout.write('y' * 10_000)",
    "show": "from IPython.display import HTML, display\nfor _ in range(60): display(HTML('z' * 10**6))",
    "value": "'v' * 3 * 10**7",
    "update": "h = display('small', display_id=True)\nh.update(HTML('u' * 5 * 10**7))",
    "raise": "try:\n    raise ValueError('w' * 10**7)\nexcept ValueError:\n    get_ipython().showtraceback()",
}


MEASURE = """import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)"""


@pytest.mark.integration
def test_a_run_that_prints_without_measure_ends_and_stays_small(lab):
    run = lab.freeze("chatter", *CELLS.values(), "print('still here')")
    measured = [sys.executable, "-c", MEASURE, sys.executable, "-m", "labrun.runner.run", str(run.path)]
    done = subprocess.run(measured, capture_output=True, text=True)  # a child of pytest would begin with its memory
    assert done.returncode == 0 and run.read_status()["state"] == "done", done.stderr[-2000:]
    sizes = {path.name: path.stat().st_size for path in (run.notebook, run.html, run.log_file) if path.exists()}
    assert sizes["executed.ipynb"] < 3 * output.SHOWN_BYTES and sizes["executed.html"] < 3 * output.SHOWN_BYTES, sizes
    book = nbformat.read(run.notebook, as_version=4)
    outputs = dict(zip([*CELLS, "last"], (cell.outputs for cell in book.cells[2:]), strict=True))
    assert outputs["print"][0].text.endswith("the end\n") and "characters were left out" in outputs["print"][0].text
    assert (len(outputs["show"]) == 20 and "40 outputs were left out" in outputs["show"][-1].text) or outputs["show"]
    assert outputs["value"][0].text.startswith("[1 outputs were left out")
    assert outputs["update"][0].data["text/plain"] == "'small'"
    assert outputs["last"][0].text == "still here\n"
    assert int(done.stderr.split()[-1]) < 700_000  # KiB, of the runner or of its kernel


def test_coalesced_streams_are_those_of_a_terminal():
    picture = nbformat.v4.new_output("display_data", {"text/plain": "p"})
    outputs = [stream("1%\r50%", "stderr"), stream("a\n"), stream("\r99%\r\n", "stderr"), picture, stream("b")]
    assert [(o.get("name"), o.get("text")) for o in coalesce_streams([*outputs, stream("c")])] == [
        ("stdout", "a\n"),
        ("stderr", "99%\n"),
        (None, None),
        ("stdout", "bc"),
    ]
