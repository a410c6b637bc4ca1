"""The results page: pure functions from rows to one HTML file that works from file://, without a network."""

import time
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from urllib.parse import quote

from labrun.results.seeds import over_modes, over_seeds

WORDS = {
    "done": "✓ done",
    "running": "▶ running",
    "queued": "… queued",
    "failed": "✗ failed",
    "died": "✗ died",
    "timeout": "✗ timeout",
    "interrupted": "‖ interrupted",
    "cancelled": "– cancelled",
}
SHOWN_FIGURES = 6
_IN_TABLES = ("Executed notebook", "Log", "Record")


def page(entries: list[dict]) -> str:
    """Return the page of `entries` (rows of collect, each with figures, files and title), newest first."""
    ids = {entry["id"] for entry in entries}
    children = _by_parent(entries)
    cards = [_modes_card(title, found) for title, found in over_modes(entries).items()]
    for entry in entries:
        parent = entry["parent"]
        if not parent:
            cards.append(_card(entry, children.get(entry["id"], [])))
        elif parent not in ids and children.get(parent):
            cards.append(_sweep_card(parent, children.pop(parent)))
    here = Path(__file__)
    return Template(here.with_suffix(".html").read_text()).substitute(
        style=here.with_suffix(".css").read_text(),
        summary=_summary(entries),
        cards="\n".join(cards) or _EMPTY,
        written=time.strftime("%Y-%m-%d %H:%M"),
    )


def duration(seconds: float | None) -> str:
    """Return a time as one reads it: 8.1 s, 3 min 20 s, 2 h 5 min ("" where it never started)."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def number(value: object) -> str:
    """Return a metric with four digits that count."""
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _by_parent(entries: list[dict]) -> dict[str, list[dict]]:
    mine = [entry for entry in entries if entry["parent"]]
    mine.sort(key=lambda entry: (entry["parent"], entry["created"] or 0, entry["id"]))
    return {parent: list(group) for parent, group in groupby(mine, key=lambda e: e["parent"])}


def _summary(entries: list[dict]) -> str:
    counts = {state: sum(entry["state"] == state for entry in entries) for state in WORDS}
    return " ".join(
        f'<span class="chip {state}">{WORDS[state]}: {count}</span>' for state, count in counts.items() if count
    )


def _card(entry: dict, children: list[dict]) -> str:
    when = time.strftime("%d %b %Y, %H:%M", time.localtime(entry["created"])) if entry["created"] else ""
    facts = " · ".join(filter(None, [escape(entry["id"]), when, duration(entry["seconds"]), entry["place"]]))
    return f"""<article class="card" id="{escape(entry["id"])}">
<header><h2>{escape(entry["title"])}</h2>{_chip(entry["state"])}{_metric(entry)}</header>
<p class="facts">{facts}</p>{_message(entry)}
{_gallery(entry["figures"], entry["files"].get("Executed notebook"))}
<p class="links">{_links(entry["files"])}</p>
{_seeds(children)}
{_table(children, f"Sweep: {len(children)} runs", opened=False) if children else ""}
</article>"""


def _sweep_card(name: str, children: list[dict]) -> str:
    done = sum(child["state"] == "done" for child in children)
    when = time.strftime("%d %b %Y, %H:%M", time.localtime(min(c["created"] or 0 for c in children)))
    return f"""<article class="card" id="{escape(name)}">
<header><h2>Sweep over {escape(children[0]["title"])}</h2></header>
<p class="facts">{escape(name)} · {when}</p>
{_seeds(children)}
{_table(children, f"{done} of {len(children)} runs done", opened=not over_seeds(children))}
</article>"""


def _modes_card(title: str, groups: list[dict]) -> str:
    return f"""<article class="card"><header><h2>{escape(title)}</h2></header>
{_means(groups, "Mode")}</article>"""


def _seeds(children: list[dict]) -> str:
    """Return the table over seeds of a sweep; "" where no seed was repeated."""
    return _means(over_seeds(children), "Setting")


def _means(groups: list[dict], first: str) -> str:
    """Return the rows of `seeds` as a table, a bar for each mean with its interval; "" for no row."""
    widest = max((group["mean"] + (group["half"] or 0) for group in groups if group["mean"]), default=0) or 1
    if not groups:
        return ""
    body = "\n".join(_means_row(group, widest) for group in groups)
    metric = next((group["metric"] for group in groups if group["metric"]), "metric")
    head = "".join(
        f'<th scope="col">{escape(word)}</th>'
        for word in (
            first,
            "Runs",
            f"{metric.replace('_', ' ')}, mean with 95 % interval over seeds",
            "Time of a run",
            "Images seen",
            "Steps allowed",
        )
    )
    return f"""<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"""


def _means_row(group: dict, widest: float) -> str:
    mean, half = group["mean"], group["half"]
    bar = _bar_with_interval(mean / widest, (half or 0) / widest) if mean else ""
    told = number(mean) + ("" if half is None else f" ± {half:.2g}")
    counts = "".join(
        '<td class="num">' + ("" if value is None else f"{value:,.0f}") + "</td>"
        for value in (group["images"], group["steps"])
    )
    return (
        f'<tr><th scope="row">{escape(group["setting"])}</th><td class="num">{group["runs"]} of '
        f'{group["of"]}</td><td>{bar}{escape(told)}</td><td class="num">{duration(group["seconds"])}</td>'
        f"{counts}</tr>"
    )


def _bar_with_interval(share: float, half: float, width: int = 180) -> str:
    """Return a drawn bar of a share of the widest one, its interval as a line across its end."""
    end, low, high = (width * min(max(value, 0), 1) for value in (share, share - half, share + half))
    path = f"M{low:.1f} 3v6M{low:.1f} 6H{high:.1f}M{high:.1f} 3v6"
    line = f'<path class="interval" d="{path}"/>' if half else ""
    return (
        f'<svg class="mean" width="{width + 2}" height="12" aria-hidden="true">'
        f'<rect width="{end:.1f}" height="12" rx="2"/>{line}</svg>'
    )


def _table(children: list[dict], title: str, *, opened: bool) -> str:
    numbers = [c["value"] for c in children if _is_number(c["value"])]
    widest = max(map(abs, numbers), default=0) or 1
    metric = next((child["metric"] for child in children if child["metric"]), "metric")
    body = "\n".join(_table_row(child, widest) for child in children)
    return f"""<details{" open" if opened else ""}><summary>{escape(title)}</summary>
<div class="wide"><table><thead><tr><th scope="col">Varied</th><th scope="col">State</th>
<th scope="col">Time</th><th scope="col">{escape(str(metric))}</th><th scope="col">Files</th></tr></thead>
<tbody>{body}</tbody></table></div></details>"""


def _table_row(child: dict, widest: float) -> str:
    bar = (
        f'<span class="bar" style="width:{abs(child["value"]) / widest * 6:.2f}em"></span>'
        if _is_number(child["value"])
        else ""
    )
    message = f"<br><small>{escape(child['message'])}</small>" if child["message"] else ""
    return (
        f'<tr><th scope="row">{escape(child["varied"] or child["id"])}{message}</th>'
        f'<td>{_chip(child["state"])}</td><td class="num">{duration(child["seconds"])}</td>'
        f'<td class="num">{bar}{escape(number(child["value"]))}</td>'
        f"<td>{_links(child['files'], _IN_TABLES)}</td></tr>"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _chip(state: str) -> str:
    return f'<span class="chip {state}">{WORDS[state]}</span>'


def _metric(entry: dict) -> str:
    if not entry["metric"]:
        return ""
    return (
        f'<span class="metric"><b>{escape(number(entry["value"]))}</b> '
        f"{escape(entry['metric'].replace('_', ' '))}</span>"
    )


def _message(entry: dict) -> str:
    return f'<p class="message">{escape(entry["message"])}</p>' if entry["message"] else ""


def _gallery(figures: list[dict], target: str | None) -> str:
    if not figures:
        return ""
    shown = "".join(
        f'<a href="{quote(figure["path"])}"><img src="{quote(figure["path"])}" alt="{escape(figure["alt"])}" '
        f'title="{escape(figure["alt"])}" loading="lazy"></a>'
        for figure in figures[:SHOWN_FIGURES]
    )
    more = len(figures) - SHOWN_FIGURES
    rest = f'<a class="more" href="{quote(target)}">{more} more figures</a>' if more > 0 and target else ""
    return f'<div class="gallery">{shown}{rest}</div>'


def _links(files: dict[str, str], wanted: tuple[str, ...] | None = None) -> str:
    return " ".join(
        f'<a href="{quote(path)}">{escape(word)}</a>'
        for word, path in files.items()
        if wanted is None or word in wanted
    )


_EMPTY = "<p>No run yet. Start one with <code>labkit run 01</code>, then <code>labkit collect</code>.</p>"
