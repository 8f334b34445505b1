"""Rows of indices as in the CSV files, and changing them: what tests that make up frameworks share.

What belongs here: rows that a test decides on. Random ones stand in ``random_trees``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Row = dict[str, str]

ROOT = "total"


@dataclass
class Rows:
    """Rows of every kind of file that an index may need."""

    frameworks: list[Row] = field(default_factory=list)
    observations: list[Row] = field(default_factory=list)
    statistics: list[Row] = field(default_factory=list)
    cities: list[Row] = field(default_factory=list)
    tiers: list[Row] = field(default_factory=list)

    def add(self, other: Rows) -> None:
        for name, rows in vars(other).items():
            getattr(self, name).extend(rows)


def together(*indices: Rows) -> Rows:
    """The rows of several indices or editions."""
    rows = Rows()
    for index in indices:
        rows.add(index)
    return rows


def node(key: Row, code: str, parent: str, weight: float = 1.0, **method: str) -> Row:
    """A node of the framework of an index and edition."""
    names = {"indicator_code": code, "parent_code": parent, "name_zh": code, "name_en": code}
    return {**key, **names, "weight": repr(weight), **method}


def observation(key: Row, city: str, code: str, value: float, provenance: str = "observed") -> Row:
    """An observation of an index and edition."""
    return {**key, "city_code": city, "indicator_code": code, "value": repr(value), "provenance": provenance}


def one_parent_index(
    index_code: str,
    cities: Sequence[str],
    leaves: dict[str, Row],
    values: dict[str, Sequence[float | None]],
    edition: str = "2021",
) -> Rows:
    """An index whose leaves all stand below one secondary; each is observed in the first cities, save where None."""
    key = {"index_code": index_code, "edition": edition}
    inner = [node(key, ROOT, ""), node(key, "p", ROOT), node(key, "s", "p")]
    return Rows(
        frameworks=[*inner, *(node(key, code, "s", **leaf) for code, leaf in leaves.items())],
        observations=[
            observation(key, city, code, value)
            for code in leaves
            for city, value in zip(cities, values[code], strict=False)
            if value is not None
        ],
    )


def renamed(rows: Rows, index_code: str, change: Callable[[Row], Row] = dict) -> Rows:
    """The same index under another code, with nodes of its framework changed."""
    return Rows(
        frameworks=[{**change(row), "index_code": index_code} for row in rows.frameworks],
        observations=[{**row, "index_code": index_code} for row in rows.observations],
        tiers=[{**row, "index_code": index_code} for row in rows.tiers],
    )
