"""The published database as it is read: opening it, and choosing one of its editions.

What belongs here: what every question about a published index begins with. What is asked stands with each question.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from city_index.database import connect
from city_index.errors import CityIndexError, NothingPublishable, UsageError, in_one_line
from city_index.settings import Settings
from city_index.weights_file import in_quotes

_SHOWN_ERROR = 120
_COMPARED_CHARACTERS = 100


@dataclass(frozen=True)
class Edition:
    """A published edition, as people name it."""

    index_code: str
    edition: str
    ordinal: int
    scored_city_count: int
    title: str
    publisher: str | None
    report_decimals: int

    def __str__(self) -> str:
        return f"{self.index_code} {self.edition}"


@contextmanager
def published_database(settings: Settings, paths: Iterable[Path] = ()) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory with the published database attached as ``published``; the caller closes it.

    Args:
        settings: whose published database.
        paths: what else the connection may read and write; see ``database.connect``.

    Raises:
        NothingPublishable: nothing is published.
        CityIndexError: the database cannot be read, or lacks what is asked of it.
    """
    if not settings.published_database.is_file():
        raise NothingPublishable(f"nothing is published in {settings.published}; run `city-index run`")
    try:
        connection = connect(databases={"published": settings.published_database}, paths=paths)
        yield connection
        connection.execute("detach published")
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise CityIndexError(
            f"{settings.published_database} was made by another version of the code "
            f"({in_one_line(error, _SHOWN_ERROR)}); run `city-index run`"
        ) from error
    except duckdb.IOException as error:
        raise CityIndexError(
            f"{settings.published_database} cannot be read ({in_one_line(error, _SHOWN_ERROR)}); "
            "run `city-index doctor`"
        ) from error


def choose_edition(connection: duckdb.DuckDBPyConnection, index_code: str | None, edition: str | None) -> Edition:
    """The edition that is asked about: the named one, else the newest with scores of the named or only index.

    Editions of synthetic records are taken only by name, or where there is no other.

    Raises:
        UsageError: it is not there, or the index has to be named.
        NothingPublishable: no city of it has a score.
    """
    editions = [
        Edition(*row)
        for row in connection.execute(
            "select index_code, edition, edition_ordinal, scored_city_count, coalesce(title_zh, title_en, index_code), "
            "coalesce(publisher_zh, publisher_en), report_decimals "
            "from published.dim_editions order by index_code, is_synthetic desc, edition_ordinal"
        ).fetchall()
    ]
    listed = _listed(editions)
    of_index = [each for each in editions if index_code in (None, each.index_code)]
    if not of_index:
        raise UsageError(f"no index {in_quotes(index_code)} is published; there is {listed}")
    if len({each.index_code for each in of_index}) > 1:
        raise UsageError(f"name the index with --index; there is {listed}")
    if edition is None:
        scored = [each for each in of_index if each.scored_city_count]
        if not scored:
            raise NothingPublishable(f"no edition of {of_index[0].index_code} has a city with a score")
        return scored[-1]
    for each in of_index:
        if each.edition == edition:
            if not each.scored_city_count:
                raise NothingPublishable(f"{each} has no city with a score")
            return each
    raise UsageError(f"{of_index[0].index_code} has no edition {in_quotes(edition)}; there is {_listed(of_index)}")


def similar(given: str, known: Iterable[str], table: str = "dim_indicators") -> str:
    """Which of the known names may be meant, as the end of a message; else the table that lists them."""
    found = difflib.get_close_matches(given[:_COMPARED_CHARACTERS], known, n=1)
    return f"; is {found[0]} meant?" if found else f"; table {table} lists them"


def _listed(editions: Iterable[Edition]) -> str:
    labels: dict[str, list[str]] = {}
    for each in editions:
        labels.setdefault(each.index_code, []).append(each.edition)
    return "; ".join(f"{index_code} ({', '.join(of_index)})" for index_code, of_index in labels.items())
