"""Rows of editions that the build before has computed already: taken over, not computed anew.

What belongs here: telling whether an edition is the same, to the bit, and taking its rows over. Rows follow from an
edition, from parameters and from the code alone, and a build is held against the earlier one of the same code only
(``city_index.builds.start_build``); so rows taken over are those that would be computed, and the warehouse stays a pure
function of its inputs. An edition that differs in anything is computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from city_index.database import identifier, open_database

if TYPE_CHECKING:
    import pandas

    from city_index.worlds.editions import EditionScores

# The column that tells what the rows of an edition follow from.
FINGERPRINT = "edition_sha256"


def fingerprint(*values: Any) -> str:
    """One SHA-256, in hex, over everything that values hold: equal for values that are the same to the bit.

    Args:
        values: text, numbers, arrays, dataclasses, and sequences and mappings of these.

    Raises:
        TypeError: a value holds something else, of which nobody knows what it consists of.
    """
    digest = hashlib.sha256()
    _add(digest, [np.__version__, values])
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content: str | bytes = np.ascontiguousarray(value).tobytes()
        head, parts = f"array {value.dtype.str} {value.shape}", ()
    elif is_dataclass(value):
        head, content = type(value).__name__, ""
        parts = [(each.name, getattr(value, each.name)) for each in fields(value)]
    elif isinstance(value, Mapping):
        head, content, parts = "mapping", "", sorted(value.items())
    elif isinstance(value, (list, tuple)):
        head, content, parts = "sequence", "", value
    elif value is None or isinstance(value, (str, int, float)):
        head, content, parts = type(value).__name__, repr(value), ()
    else:
        raise TypeError(f"no fingerprint is known of {type(value).__name__}")
    content = content.encode() if isinstance(content, str) else content
    digest.update(f"{head} {len(content)} {len(parts)}\n".encode())
    digest.update(content)
    for part in parts:
        _add(digest, part)


def rows_of_editions(
    editions: Iterable[EditionScores],
    compute: Callable[[EditionScores], Iterable[Mapping[str, Any]]],
    parameters: Sequence[int | float],
    types: Mapping[str, str],
    earlier: tuple[Path | None, str, str],
) -> pandas.DataFrame:
    """The rows of editions, in their order: of each that the earlier build had too, its rows there.

    Args:
        editions: the editions.
        compute: gives the rows of one.
        parameters: all that these follow from beside the edition and the code.
        types: the columns of a row with their pandas types, ``FINGERPRINT`` among them.
        earlier: where the database of the build before stands, if it does, and schema and name of the table in it.
    """
    import pandas

    taken = _earlier_rows(earlier, list(types))
    frames = []
    for edition in editions:
        known = fingerprint(edition, list(parameters))
        if known not in taken:
            rows = ({**row, FINGERPRINT: known} for row in compute(edition))
            taken[known] = pandas.DataFrame(rows, columns=list(types))
        frames.append(taken[known].astype(dict(types)))
    return pandas.concat(frames) if frames else pandas.DataFrame(columns=list(types))


def _earlier_rows(earlier: tuple[Path | None, str, str], columns: Sequence[str]) -> dict[str, pandas.DataFrame]:
    """The rows of a table of the build before, by fingerprint; none where they cannot be read."""
    path, schema, table = earlier
    if path is None or not path.is_file():
        return {}
    try:
        with open_database(path) as connection:
            frame = connection.execute(
                f"select {', '.join(map(identifier, columns))} from {identifier(schema)}.{identifier(table)}"
            ).df()
    except duckdb.Error:  # all is computed, as it is without an earlier build
        return {}
    return dict(list(frame.groupby(FINGERPRINT)))
