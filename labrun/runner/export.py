"""executed.html: the executed notebook as one file with an outline, readable without a network."""

import html
import re

import nbformat
from jinja2 import DictLoader
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter

from labkit.run_folder import RunFolder, atomic_write

# nbconvert's template waits for require.js and MathJax before it shows anything, and knows no alt text.
_TEMPLATE = """
{%- extends 'index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}
<script type="text/x-mathjax-config">
MathJax.Hub.Config({tex2jax: {inlineMath: [['$','$'], ['\\\\(','\\\\)']], processEscapes: true,
  processEnvironments: true}, messageStyle: 'none', displayAlign: 'center'});
</script>
<script async src="{{ resources.mathjax_url }}"></script>
{%- endblock -%}
{%- block html_head_css -%}<style>STYLE</style>{%- endblock -%}
{%- block data_png scoped -%}
{{ super() | with_alt(output | get_metadata('alt', 'image/png')) }}
{%- endblock -%}
"""

_STYLE = """
.labkit-note { font: 15px/1.5 system-ui, sans-serif; margin: 12px auto; padding: 10px 16px; max-width: 70em;
  border-left: 5px solid #b00020; background: #fdecea; color: #410e0b }
.labkit-note.done { border-color: #1b7f3b; background: #e8f5ec; color: #0b3d1c }
.labkit-outline { font: 14px/1.45 system-ui, sans-serif; margin: 8px 16px; color: #222 }
.labkit-outline summary { cursor: pointer; font-weight: 600 }
.labkit-outline ol { list-style: none; margin: 4px 0; padding: 0 }
.labkit-outline a { color: #1a4f8b; text-decoration: none; display: block; padding: 2px 4px }
.labkit-outline a:hover, .labkit-outline a:focus { background: #e3edf7 }
.labkit-outline .h2 { padding-left: 12px } .labkit-outline .h3 { padding-left: 28px; font-size: 13px }
.jp-RenderedImage img { max-width: 100%; height: auto }
@media (min-width: 1100px) {
  .labkit-outline { position: fixed; top: 0; left: 0; bottom: 0; width: 260px; margin: 0; padding: 14px;
    box-sizing: border-box; overflow-y: auto; background: #f6f7f9; border-right: 1px solid #d8dbe0 }
  body.jp-Notebook { padding-left: 270px }
}
@media print { .labkit-outline { display: none } }
"""


def export(run: RunFolder) -> None:
    """Write `executed.html` beside `executed.ipynb`, atomically (LabError where that is impossible)."""
    notebook = nbformat.read(run.notebook, as_version=4)
    notebook.metadata["title"] = _title(notebook) or run.id
    atomic_write(run.html, page(notebook))


def page(notebook) -> str:
    """Return the page of an executed notebook: its state, its outline, its cells."""
    template = DictLoader({"labkit.html.j2": _TEMPLATE.replace("STYLE", _STYLE)})
    # embed_images would mend every HTML tag for itself: a folded <details> would close before its text
    exporter = _PageExporter(
        extra_loaders=[template], template_name="lab", template_file="labkit.html.j2", embed_images=False
    )
    body, _ = exporter.from_notebook_node(notebook)
    return body.replace("<main>", f"{outline(body)}<main>{_note(notebook)}", 1)


def outline(body: str) -> str:
    """Return the navigation that lists the headings (h1 to h3) which really are in `body`."""
    headings = re.findall(r'<h([1-3]) id="([^"]*)"[^>]*>(.*?)</h\1>', body, flags=re.DOTALL)
    items = [
        f'<li class="h{level}"><a href="#{anchor}">{html.escape(_text(title))}</a></li>'
        for level, anchor, title in headings
    ]
    return (
        '<nav class="labkit-outline" aria-label="Outline"><a href="../index.html">All runs</a>'
        f"<details open><summary>Outline</summary><ol>{''.join(items)}</ol></details></nav>"
    )


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


def _note(notebook) -> str:
    known = notebook.metadata.get("labkit", {})
    if not known:
        return ""
    state, never = known["state"], known.get("never_run") or []
    said = known.get("message") or ("Every cell was executed." if state == "done" else "")
    if never:
        said += f" Never run: cell {', '.join(map(str, never))}."
    return f'<p class="labkit-note {state}" role="status"><b>{state}</b>: {html.escape(said)}</p>'


def _title(notebook) -> str:
    """Return the notebook's first heading ("" where it has none)."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0][2:].strip()
    return ""


def _text(fragment: str) -> str:
    """Return what a reader sees of a heading, without the mark that links to itself."""
    fragment = re.sub(r'<a class="anchor-link".*?</a>', "", fragment)
    return html.unescape(re.sub(r"<[^>]+>", "", fragment)).strip()
