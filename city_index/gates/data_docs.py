"""Great Expectations' data docs, made fit to be kept with a release.

The pages that Great Expectations renders load styles, scripts and pictures from a network and draw their index with
such a script. What belongs here: taking those out, and writing an index that needs none.
"""

from __future__ import annotations

import re
import shutil
from html import escape
from pathlib import Path

from city_index.checks import Check

# Scripts of the pages do nothing without the libraries they load; the rest would come from a network or advertise.
_DROPPED = re.compile(
    r"<script\b.*?</script>"
    r"|<noscript\b.*?</noscript>"
    r"|<link\b[^>]*>"
    r"""|<img\b[^>]*\bsrc=["']https?://[^>]*>"""
    r"|<iframe\b.*?</iframe>"
    r"|<footer\b.*?</footer>",
    re.IGNORECASE | re.DOTALL,
)

_STYLE = """<style>
body { font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; line-height: 1.5;
  color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; width: 100%; }
td, th { border: 1px solid #ccc; padding: 0.35rem 0.6rem; text-align: left; vertical-align: top; }
th { background: #f2f2f2; }
.modal, .navbar, .cooltip, .hide-succeeded-validations-column-section-target-child .d-none { display: none; }
.fa-check-circle::before { content: "\\2713 pass"; color: #00614a; font-style: normal; }
.fa-times::before { content: "\\2717 fail"; color: #a01010; font-style: normal; font-weight: bold; }
.fa-exclamation-triangle::before { content: "! error"; color: #a01010; font-style: normal; font-weight: bold; }
.passed { color: #00614a; } .failed, .warned { color: #a01010; font-weight: bold; } .skipped { color: #555; }
</style>"""


def make_self_contained(folder: Path, checks: list[tuple[str, Check]]) -> None:
    """Rewrite the pages of a data docs site so that they load nothing from elsewhere, and write its index anew.

    Args:
        folder: the site as Great Expectations wrote it.
        checks: each result with the name of the validation it belongs to, ``gate.batch``.
    """
    shutil.rmtree(folder / "static", ignore_errors=True)
    (folder / "index.html").unlink(missing_ok=True)
    pages: dict[str, str] = {}
    for path in sorted(folder.rglob("*.html")):
        text = _DROPPED.sub("", path.read_text(encoding="utf-8"))
        path.write_text(text.replace("</head>", f"{_STYLE}</head>", 1), encoding="utf-8")
        relative = path.relative_to(folder)
        if relative.parts[0] == "validations":
            # The site sorts validations/<gate>/<batch>/<run>/<time>/; the newest one of a batch stays linked.
            pages[".".join(relative.parts[1:3])] = relative.as_posix()
    (folder / "index.html").write_text(_index(checks, pages), encoding="utf-8")


def _index(checks: list[tuple[str, Check]], pages: dict[str, str]) -> str:
    rows = []
    for validation, check in checks:
        name = escape(check.name.replace("_", " "))
        if validation in pages:
            name = f'<a href="{escape(pages[validation])}">{name}</a>'
        rows.append(
            f"<tr><td>{escape(check.kind.removeprefix('gx_'))}</td><td>{escape(check.asset)}</td>"
            f"<td>{name}</td>"
            f'<td class="{escape(check.status)}">{escape(check.status)}</td><td>{escape(check.severity)}</td>'
            f"<td>{escape(check.observed)}{'<br>' + escape(check.detail) if check.detail else ''}</td>"
            f"<td>{escape(check.threshold)}</td></tr>"
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>City Index: quality gates of this release</title>{_STYLE}</head><body>"
        "<h1>Quality gates of this release</h1>"
        "<p>What Great Expectations found on the raw inputs and on the marts. The results of dbt's tests stand "
        "with these in the table <code>meta_checks</code>.</p>"
        "<table><thead><tr><th>gate</th><th>table or file</th><th>claim</th><th>status</th><th>severity</th>"
        f"<th>observed</th><th>expected</th></tr></thead><tbody>{''.join(rows)}</tbody></table></body></html>\n"
    )
