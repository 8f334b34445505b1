"""The formulas of the index where dbt does not run: the project's own macros, rendered.

What belongs here: turning the macros of the tree into SQL, so that a question asked of what is published is answered by
the formula that made it. What does not: any formula. They stand in ``macros/``, and their variables in
``dbt_project.yml``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

# The macros that need nothing of dbt but variables; a file may use those of another.
_MACRO_FILES = ("keys.sql", "numbers.sql", "aggregation.sql")


class Formulas:
    """The macros of a project, by their names there."""

    def __init__(self, project_directory: Path) -> None:
        project = yaml.safe_load((project_directory / "dbt_project.yml").read_text(encoding="utf-8"))
        macros = [(project_directory / "macros" / name).read_text(encoding="utf-8") for name in _MACRO_FILES]
        self._variables: dict[str, Any] = project["vars"]
        # dbt gives its templates the statement ``do`` too.
        environment = Environment(undefined=StrictUndefined, extensions=["jinja2.ext.do"])
        self._macros = environment.from_string("\n".join(macros)).make_module({"var": self._variables.__getitem__})

    def parent_scores(self, child_scores: str, indicators: str) -> str:
        """SQL of the scores one level above the given ones; both are relations."""
        return self._macros.parent_scores(child_scores, indicators)

    def tree_scores(self, tertiary_scores: str, indicators: str) -> str:
        """SQL of the scores of all nodes above the tertiaries; both are relations."""
        return self._macros.tree_scores(tertiary_scores, indicators)

    def descending_rank(self, score: str, partition_by: Sequence[str]) -> str:
        """SQL of the rank of a score within columns."""
        return self._macros.descending_rank(score, list(partition_by))

    def magnitude_of(self, size: str) -> str:
        """SQL of the power of two that brings a size near one."""
        return self._macros.magnitude_of(size)
