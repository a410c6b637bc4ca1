"""One page per student: score, every check, and what to do about it. Plain HTML that needs nothing else."""

from html import escape

from autograder.grading import Report

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem;
border-bottom:1px solid #bbb}td.n{white-space:nowrap}.no{font-weight:600}"""


def to_html(report: Report, *, hidden_too: bool = True) -> str:
    """Return the page. Everything that comes from a submission is escaped."""
    rows = "\n".join(
        f"<tr><td>{'passed' if one.status == 'passed' else '<span class=no>not passed</span>'}</td>"
        f"<td class=n>{one.score:g} of {one.points:g}</td><td>{escape(one.title)}"
        f"{f'<br>{escape(one.feedback)}' if one.feedback else ''}</td></tr>"
        for one in report.results
        if hidden_too or one.visible
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in report.notes)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(report.lab)}: "
        f"{escape(report.submission)}</title><style>{STYLE}</style><h1>{escape(report.submission)}</h1>"
        f"<p>{escape(report.lab)}: <strong>{report.score:g} of {report.points:g} points</strong> "
        f"(seed {report.seed})</p>{notes}<table><tr><th>Result<th>Points<th>Check</tr>{rows}</table></html>\n"
    )
