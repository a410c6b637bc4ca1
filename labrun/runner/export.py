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

_TEMPLATES = FileSystemLoader(Path(__file__).parent)


def export(run: RunFolder) -> None:
    """Write `executed.html` beside `executed.ipynb`, atomically (LabError where that is impossible)."""
    notebook = nbformat.read(run.notebook, as_version=4)
    notebook.metadata["title"] = first_heading(run.notebook) or run.id
    atomic_write(run.html, page(notebook))


def page(notebook) -> str:
    """Return the page of an executed notebook: its state, its outline (headings h1 to h3), its cells."""
    # embed_images would repair every HTML tag for itself: a folded <details> would close before its text
    exporter = _PageExporter(
        extra_loaders=[_TEMPLATES], template_name="lab", template_file="export.j2", embed_images=False
    )
    body, _ = exporter.from_notebook_node(notebook)
    found = re.findall(r'<h([1-3]) id="([^"]*)"[^>]*>(.*?)</h\1>', body, flags=re.DOTALL)
    headings = [(level, _plain_text(anchor), _plain_text(title)) for level, anchor, title in found]
    ending = notebook.metadata.get("labkit", {})
    message = ending.get("message") or ("Every cell was executed." if ending.get("state") == "done" else "")
    outline = Environment(loader=_TEMPLATES, autoescape=True).get_template("outline.j2")
    return body.replace("<main>", outline.render(headings=headings, ending=ending, message=message), 1)


class _PageExporter(HTMLExporter):
    """nbconvert's, without parsing the finished page once more (seconds on a page with many figures)."""

    def from_notebook_node(self, nb, resources=None, **options):
        resources = self._init_resources(resources)
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer="ipython3", parent=self))
        widgets = WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self, resources=resources)
        self.register_filter("filter_data_type", widgets)
        return super(HTMLExporter, self).from_notebook_node(nb, resources, **options)


def _plain_text(fragment: str) -> str:
    """Return what a reader sees of a heading, without the mark that links to itself."""
    fragment = re.sub(r'<a class="anchor-link".*?</a>', "", fragment, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", fragment)).strip()
