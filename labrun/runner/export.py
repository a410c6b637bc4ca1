"""executed.html: the executed notebook as one file with an outline, readable without a network."""

import html
import re
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter

from labkit.run_folder import RunFolder, atomic_write
from labrun.spec import first_heading

TEMPLATES = FileSystemLoader(Path(__file__).parent)


def export(run: RunFolder) -> None:
    """Write `executed.html` beside `executed.ipynb`, atomically (LabError where that is impossible)."""
    notebook = nbformat.read(run.notebook, as_version=4)
    notebook.metadata["title"] = first_heading(run.notebook) or run.id
    atomic_write(run.html, page(notebook))


def page(notebook) -> str:
    """Return the page of an executed notebook: its state, its outline, its cells."""
    # embed_images would repair every HTML tag for itself: a folded <details> would close before its text
    exporter = _PageExporter(
        extra_loaders=[TEMPLATES], template_name="lab", template_file="executed.j2", embed_images=False
    )
    body, _ = exporter.from_notebook_node(notebook)
    top = Environment(loader=TEMPLATES, autoescape=True).get_template("executed_top.j2")
    return body.replace("<main>", top.render(headings=headings(body), **_state(notebook)), 1)


def headings(body: str) -> list[tuple[str, str, str]]:
    """Return (level, anchor, text) of the headings h1 to h3 that really are in `body`."""
    found = re.findall(r'<h([1-3]) id="([^"]*)"[^>]*>(.*?)</h\1>', body, flags=re.DOTALL)
    return [(level, html.unescape(anchor), _text(title)) for level, anchor, title in found]


class _PageExporter(HTMLExporter):
    """nbconvert's, without parsing the finished page once more (seconds on a page with many figures)."""

    def from_notebook_node(self, nb, resources=None, **options):
        resources = self._init_resources(resources)
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer="ipython3", parent=self))
        self.register_filter(
            "filter_data_type",
            WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self, resources=resources),
        )
        self.register_filter("with_alt", _with_alt)
        return super(HTMLExporter, self).from_notebook_node(nb, resources, **options)


def _with_alt(image: str, alt: str | None) -> str:
    return image.replace("<img ", f'<img alt="{html.escape(alt or "")}" ', 1)


def _state(notebook) -> dict[str, str]:
    """Return state and message of a notebook that a runner has executed ({} of others)."""
    known = notebook.metadata.get("labkit", {})
    if not known:
        return {}
    message = known.get("message") or ("Every cell was executed." if known["state"] == "done" else "")
    never = ", ".join(map(str, known.get("never_run") or []))
    return {"state": known["state"], "message": message + (f" Never run: cell {never}." if never else "")}


def _text(fragment: str) -> str:
    """Return what a reader sees of a heading, without the mark that links to itself."""
    fragment = re.sub(r'<a class="anchor-link".*?</a>', "", fragment)
    return html.unescape(re.sub(r"<[^>]+>", "", fragment)).strip()
