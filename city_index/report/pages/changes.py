"""The page of what moved since the release before, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from city_index.comparison.compare import CityMove, Comparison, EditionComparison, compare_sides
from city_index.comparison.sides import Sides
from city_index.errors import CityIndexError
from city_index.report.reading import Row
from city_index.report.view import View
from city_index.settings import Settings

# The page shows the cities that moved furthest; `city-index diff --json` gives them all.
_SHOWN_CITIES = 100
_SHOWN_EFFECTS = 4
_SHOWN_LINES = 50


@dataclass(frozen=True)
class Changes:
    """What moved since the release before.

    Attributes:
        comparison: the two releases compared; None where there is none before, or they cannot be compared.
        moves: for each edition that was compared the cities that moved furthest.
        problem: why they cannot be compared.
    """

    comparison: Comparison | None = None
    moves: tuple[tuple[EditionComparison, tuple[CityMove, ...]], ...] = ()
    problem: str | None = None


def changes_between(settings: Settings, sides: Sides | None) -> Changes:
    """Compare a release with the one before; a release before that cannot be compared stops nothing.

    Args:
        settings: what memory may be used.
        sides: both; None where there is none before.
    """
    if sides is None:
        return Changes()
    try:
        with compare_sides(settings, sides) as comparison:
            moves = tuple((edition, tuple(comparison.moves(edition, _SHOWN_CITIES))) for edition in comparison.editions)
            return Changes(comparison, moves)
    except CityIndexError as error:
        return Changes(problem=str(error))


def changes_page(views: list[View], changes: Changes, page: str) -> dict[str, Any]:
    """What the template is given.

    Args:
        views: the editions of the release in the language of the page.
        changes: what moved.
        page: the path of the page.
    """
    return {
        "problem": changes.problem,
        "comparison": changes.comparison,
        "shown_lines": _SHOWN_LINES,
        "editions": [_edition(edition, moves, _view_of(views, edition), page) for edition, moves in changes.moves],
    }


def _view_of(views: list[View], edition: EditionComparison) -> View | None:
    return next((view for view in views if view.contents.key == (edition.index_code, edition.edition)), None)


def _edition(edition: EditionComparison, moves: tuple[CityMove, ...], view: View | None, page: str) -> Row:
    return {
        "comparison": edition,
        "title": view.name if view else f"{edition.title} {edition.edition}",
        "notice": view.notice if view else " ".join(edition.notices),
        "moves": [_move(move, view, page) for move in moves],
    }


def _move(move: CityMove, view: View | None, page: str) -> Row:
    target = view.city_page(move.city_code) if view else None
    return {
        "move": move,
        "href": view.link(page, target) if target else None,
        "effects": move.effects[:_SHOWN_EFFECTS],
        "more": max(len(move.effects) - _SHOWN_EFFECTS, 0),
    }
