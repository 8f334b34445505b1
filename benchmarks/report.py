"""What was measured, as people and programs read it: a table, a chart, the latest figures and their history.

What belongs here: laying out findings and writing them into ``bench/`` of the home. What does not: measuring, and
deciding what a target is.
"""

from __future__ import annotations

import html
import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from benchmarks.measuring import BYTES, EXPONENT, GIB, MISSED, RATE, RATIO, SECONDS, SHARE, Figure, Findings
from city_index.durability import write_in_one_step
from city_index.settings import Settings

LATEST, HISTORY, TABLE, CHART = "latest.json", "history.jsonl", "table.md", "chart.svg"

_WIDTH, _ROW, _LEFT, _TOP = 1080, 22, 520, 56
_INK, _SOFT, _MET, _MISSED, _PLAIN = "#1c2329", "#55606b", "#1f9e89", "#d55e00", "#0072b2"


@dataclass(frozen=True)
class Outcome:
    """How one benchmark ended.

    Attributes:
        name: its name on the command line.
        title: what it compares.
        findings: what it found; None where it is broken.
        fault: why it is broken; None where it is not.
        seconds: how long it took in all.
    """

    name: str
    title: str
    findings: Findings | None
    fault: str | None
    seconds: float

    @property
    def figures(self) -> Sequence[Figure]:
        """Its figures; none where it is broken."""
        return self.findings.figures if self.findings else ()


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        cores = os.cpu_count()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        memory = None
    return {
        "cores": cores,
        "memory_bytes": memory,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
    }


def record(version: str, outcomes: Sequence[Outcome], is_short: bool) -> dict[str, object]:
    """A run as it is kept: when, which version of the code, what machine, and every figure with its target."""
    return {
        "measured_at_utc": datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
        "code_version": version,
        "form": "short" if is_short else "long",
        "machine": machine(),
        "benchmarks": {
            outcome.name: {
                "title": outcome.title,
                "seconds": round(outcome.seconds, 1),
                "fault": outcome.fault,
                "figures": [asdict(figure) | {"status": figure.status} for figure in outcome.figures],
                "notes": outcome.findings.notes if outcome.findings else [],
                "details": outcome.findings.details if outcome.findings else {},
            }
            for outcome in outcomes
        },
    }


def write(settings: Settings, run: dict[str, object], outcomes: Sequence[Outcome]) -> Path:
    """Write the latest figures, the table and the chart; gives their folder."""
    folder = settings.home / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    write_in_one_step(folder / LATEST, json.dumps(run, ensure_ascii=False, indent=1) + "\n")
    write_in_one_step(folder / TABLE, markdown(run, outcomes))
    write_in_one_step(folder / CHART, chart([figure for outcome in outcomes for figure in outcome.figures]))
    return folder


def remember(settings: Settings, run: dict[str, object]) -> None:
    """Add a run to the history: one line with the value of every figure, without details."""
    kept = {
        name: {figure["name"]: figure["value"] for figure in benchmark["figures"]}
        for name, benchmark in run["benchmarks"].items()
    }
    with (settings.home / "bench" / HISTORY).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(run | {"benchmarks": kept}, ensure_ascii=False) + "\n")


def in_unit(value: float | None, unit: str) -> str:
    """A value as people read it."""
    if value is None:
        return "not reached"
    if unit == BYTES:
        return f"{value / GIB:.2f} GiB"
    if unit == SHARE:
        return f"{100 * value:.0f} %"
    if unit == RATE:
        return f"{value:,.0f} rows/s"
    if unit == SECONDS:
        return f"{value:.1f} s" if value >= 1 else f"{1000 * value:.1f} ms"
    return f"{value:.2f}"


def wording_of_target(figure: Figure) -> str:
    """Its target, the harder one in brackets; empty where it has none."""
    if figure.target is None:
        return ""
    stretch = f" ({in_unit(figure.stretch, figure.unit)})" if figure.stretch is not None else ""
    return in_unit(figure.target, figure.unit) + stretch


def markdown(run: dict[str, object], outcomes: Sequence[Outcome]) -> str:
    """The table of a run."""
    of = run["machine"]
    memory = f", {of['memory_bytes'] / GIB:.0f} GiB" if of["memory_bytes"] else ""
    lines = [
        "# Benchmarks",
        "",
        f"Code {run['code_version']}, {run['measured_at_utc']} UTC, {of['cores']} cores{memory}, {of['system']}, "
        f"Python {of['python']}, DuckDB {of['duckdb']}."
        + (" Short form: small sizes, whose figures say nothing of the targets." if run["form"] == "short" else ""),
        "",
    ]
    for outcome in outcomes:
        lines += [f"## {outcome.title}", ""]
        if outcome.fault:
            lines += [f"Broken: {_cell(outcome.fault)}", ""]
            continue
        lines += ["| | Measured | Target | |", "|---|---:|---:|---|"]
        lines += [
            f"| {_cell(figure.name)} | {in_unit(figure.value, figure.unit)} | {wording_of_target(figure)} "
            f"| {_verdict(figure)} |"
            for figure in outcome.figures
        ]
        lines.append("")
        for note in outcome.findings.notes:
            lines += [note, ""]
    return "\n".join(lines)


def _verdict(figure: Figure) -> str:
    if figure.status == MISSED:
        return f"**missed**: {_cell(figure.reason)}" if figure.reason else "**missed**"
    return figure.status


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def chart(figures: Sequence[Figure]) -> str:
    """The ratios as bars on a logarithmic scale, each with its target as a mark: an SVG picture."""
    shown = [figure for figure in figures if figure.unit in (RATIO, EXPONENT) and (figure.value or 0) > 0]
    reach = [bound for figure in shown for bound in (figure.value, figure.target) if bound]
    low = 10 ** math.floor(math.log10(min([*reach, 1])))
    high = 10 ** math.ceil(math.log10(max([*reach, 10])))

    def across(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 90) * (math.log10(value / low) / math.log10(high / low))

    bottom = _TOP + _ROW * len(shown)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 40}" font-size="12" '
        f'font-family="system-ui, sans-serif" role="img"><title>Ratios and their targets</title>',
        f'<rect width="100%" height="100%" fill="#ffffff"/><text x="12" y="24" font-size="15" fill="{_INK}">'
        "Ratios and exponents; the mark is the target</text>",
    ]
    decade = low
    while decade <= high * 1.0001:
        x = across(decade)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 12}" y2="{bottom}" stroke="#d5dbe1"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" fill="{_SOFT}" text-anchor="middle">{decade:g}</text>')
        decade *= 10
    for row, figure in enumerate(shown):
        y = _TOP + _ROW * row
        colour = _PLAIN if figure.target is None else _MISSED if figure.status == MISSED else _MET
        start, end = sorted((across(1), across(figure.value)))
        parts.append(
            f'<text x="{_LEFT - 10}" y="{y + 4}" fill="{_INK}" text-anchor="end">{html.escape(figure.name)}</text>'
            f'<rect x="{start:.1f}" y="{y - 6}" width="{max(end - start, 1):.1f}" height="12" fill="{colour}"/>'
            f'<text x="{end + 6:.1f}" y="{y + 4}" fill="{_INK}">{in_unit(figure.value, figure.unit)}</text>'
        )
        if figure.target:
            x = across(figure.target)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9}" y2="{y + 9}" stroke="{_INK}" stroke-width="2"/>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"
