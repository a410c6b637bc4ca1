"""The results page and the executed page: everything there, everything escaped, nothing from a network."""

import re
import struct
import zlib
from html import escape
from html.parser import HTMLParser
from urllib.parse import unquote

import nbformat
import pytest

from labkit.run_folder import RunFolder, process_identity
from labrun.results import collect, page
from labrun.results.page import curves
from labrun.runner import export as html

EVIL = '<script>alert("x")</script> & $5'


class Reader(HTMLParser):
    """Collects tags with their attributes, and checks that what was opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "input", "link", "hr", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def png(path, description=None):
    """Write a PNG of one pixel, with a description where one is given."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))]
    if description:
        parts.append(chunk(b"tEXt", b"Description\0" + description.encode("latin-1")))
    parts += [chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path))
    return tmp_path


def make(runs, name, state="done", spec=None, created=1e9, **fields):
    run = RunFolder(runs / name).create({"notebook": "notebooks/train.ipynb"} | (spec or {}))
    run.write_status(state, created=created, **fields)
    return run


def written(runs):
    text = collect.refresh_page().read_text()
    return text, Reader(text)


def test_every_run_is_there_with_state_time_metric_figures_and_working_links(runs):
    run = make(runs, "good", started=10, seconds=75)
    run.summarize(main="val_accuracy", val_accuracy=0.87654321)
    png(run.figures / "loss curve.png", "Loss falls over 5 epochs.")
    png(run.figures / "unnamed_figure.png")
    run.html.write_text("x")
    run.log_file.write_text("x")
    text, reader = written(runs)
    assert "✓ done" in text and "1 min 15 s" in text and "0.8765" in text and "val accuracy" in text
    images = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert [image["alt"] for image in images] == ["Loss falls over 5 epochs.", "unnamed figure"]
    links = [unquote(a.get("href") or a.get("src")) for tag, a in reader.tags if tag in ("a", "img")]
    assert len(links) >= 8 and all((runs / link).exists() for link in links)


def test_a_run_about_speed_shows_its_timing_as_headline(runs):
    run = make(runs, "fast")
    run.summarize(model="cnn")
    run.record_timings(main="weak_efficiency", weak_efficiency=0.87654321)
    text, _ = written(runs)
    assert "0.8765" in text and "weak efficiency" in text
    assert "t.main" not in collect.row(run)


def test_everything_a_person_wrote_is_escaped(runs):
    run = make(runs, "evil", "failed", message=EVIL, spec={"values": {"lr": EVIL}, "varied": ["lr"]})
    make(runs, "evil-1", "failed", message=EVIL, spec={"values": {"lr": EVIL}, "varied": ["lr"], "parent": "evil"})
    run.summarize(main=EVIL, **{EVIL: EVIL})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# " + EVIL)])
    nbformat.write(notebook, run.source)
    png(run.figures / "x.png", EVIL)
    train(make(runs, "<script>name", "failed", message=EVIL), fit=EVIL)
    text, reader = written(runs)
    assert [tag for tag, _ in reader.tags].count("script") == 1  # the filter's own
    assert "alert(" not in re.sub(r"&lt;script&gt;alert\(", "", text)


def test_sweeps_fold_under_their_run_and_free_sweeps_stand_alone(runs):
    make(runs, "owner", created=3)
    for number in (1, 2):
        make(runs, f"owner-{number}", spec={"parent": "owner", "varied": ["lr"], "values": {"lr": number}})
        make(
            runs, f"free-{number}", spec={"parent": "free", "varied": ["lr"], "values": {"lr": number}}, created=number
        )
    text, reader = written(runs)
    cards = [attributes["id"] for tag, attributes in reader.tags if tag == "article"]
    assert cards == ["owner", "free"]
    assert text.count("Sweep: 2 of 2 runs done") == 2 and text.count("<details") == 2
    assert text.count("<details open") == 1  # nothing else tells what the sweep found


def train(run, fit="model", epochs=3, **more):
    for epoch in range(1, epochs + 1):
        run.append_metrics({"fit": fit, "kind": "step", "step": 10 * epoch, "epoch": epoch, "loss": 2 - epoch / 10})
        row = {"fit": fit, "kind": "epoch", "step": 10 * epoch, "epoch": epoch, "train_loss": 2.0, "val_accuracy": 0.1}
        run.append_metrics(row | {"val_accuracy": epoch / 10} | more)


def test_every_training_run_shows_its_curve_first_while_it_runs_and_in_a_sweep(runs):
    run = make(runs, "net", "running", **process_identity())
    train(run)
    train(run, fit="<script>probe")
    png(run.figures / "x.png")
    train(make(runs, "s-1", spec={"parent": "s", "varied": ["lr"], "values": {"lr": 1}}))
    text, reader = written(runs)
    drawn = [a for tag, a in reader.tags if tag == "polyline"]
    assert len(drawn) == 3 and drawn[0]["points"].split() == ["0.0,76.0", "118.0,38.0", "236.0,0.0"]
    assert text.index("<polyline") < text.index("<img") and "val accuracy, 0.1 to 0.3" in text
    assert "val accuracy over 3 epochs; at the end: model 0.3, &lt;script&gt;probe 0.3." in text


def test_a_fit_of_one_epoch_shows_the_loss_of_its_steps_and_a_run_without_training_nothing(runs):
    short = make(runs, "short")
    train(short, epochs=1)
    short.append_metrics({"fit": "model", "kind": "step", "step": 20, "loss": 1.5})
    (drawing,) = curves(short)
    assert (drawing["metric"], drawing["over"], drawing["low"], drawing["high"]) == ("loss", "step", 1.5, 1.9)
    assert drawing["lines"] == [{"fit": "model", "points": [(0.0, 0.0), (236.0, 76.0)]}]
    assert curves(make(runs, "none")) == []


def test_the_page_reloads_itself_only_while_a_run_is_open(runs):
    make(runs, "ended")
    assert "refresh" not in written(runs)[0]
    run = make(runs, "open", "running", cell=3, cells=9, heading="Training <b>", **process_identity())
    text, reader = written(runs)
    assert ("meta", {"http-equiv": "refresh", "content": "10"}) in reader.tags
    assert "cell 3 of 9: Training &lt;b&gt;" in text
    run.write_status("done")
    assert "http-equiv" not in written(runs)[0]


def test_newest_come_first_and_a_dead_run_is_not_called_running(runs):
    make(runs, "old", created=1)
    make(runs, "new", "running", created=2, pid=2**22 + 5, host=__import__("socket").gethostname())
    text, _ = written(runs)
    assert text.index('id="new"') < text.index('id="old"')
    assert "✗ died" in text and "▶ running" not in text


def test_the_page_needs_no_network_and_an_empty_one_says_how_to_begin(runs):
    text, _ = written(runs)
    assert not re.findall(r"https?://|url\(|@import", text)
    assert "labkit run 01" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (200.4, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_times_are_as_one_reads_them(seconds, words):
    assert page.duration(seconds) == words


def executed(*cells, **labkit):
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    notebook.metadata.labkit = labkit
    return notebook


def test_the_executed_page_has_outline_alt_text_state_and_waits_for_no_network():
    picture = nbformat.v4.new_output(
        "display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": 'A "steep" curve'}}
    )
    text = html.page(
        executed(
            nbformat.v4.new_markdown_cell("# Title $x$\n## Part one\n### Detail\n## Part `<two>`"),
            nbformat.v4.new_code_cell("print('<b>')", outputs=[picture]),
            state="died",
            message="It <died>.",
            never_run=[4, 5],
        )
    )
    reader = Reader(text.replace("<!DOCTYPE html>", ""))
    anchors = [a["href"] for tag, a in reader.tags if tag == "a" and a.get("href", "").startswith("#")]
    ids = {a.get("id") for _, a in reader.tags}
    assert len(anchors) >= 4 and {anchor[1:] for anchor in anchors} <= ids
    assert "It &lt;died&gt;. Never run: cell 4, 5." in text
    assert [a["alt"] for tag, a in reader.tags if tag == "img"] == ['A "steep" curve']
    waits = [a for tag, a in reader.tags if tag == "script" and "src" in a and "async" not in a]
    assert waits == [] and not [tag for tag, a in reader.tags if tag == "link"]


def test_a_message_and_a_title_cannot_become_markup_of_the_executed_page(runs):
    run = make(runs, "evil")
    cells = [nbformat.v4.new_markdown_cell("# A `" + EVIL + "`")]
    nbformat.write(executed(*cells, state="failed", message=EVIL), run.notebook)
    html.export(run)
    text = run.html.read_text()
    assert "<script>alert(" not in text and "&lt;script&gt;alert(" in text
    assert f"<title>A `{escape(EVIL, quote=False)}`</title>" in text


def test_a_folded_hint_keeps_its_text_inside():
    hint = "<details><summary>Hint</summary>\n\nThe *answer* in s<sub>ij</sub>.\n\n</details>"
    text = html.page(executed(nbformat.v4.new_markdown_cell(hint)))
    folded = text[text.index("<summary>Hint") :]
    assert folded.index("</details>") > folded.index("answer")
    assert "s<sub>ij</sub>" in text
