"""Rows of editions that the build before has computed already: taken over, not computed anew.

What belongs here: telling whether an edition is the same, to the bit. Rows follow from an edition, from parameters and
from the code alone. So rows taken over are those that would be computed, and the warehouse stays a pure function of its
inputs. An edition that differs in anything is computed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from city_index.earlier import FINGERPRINT, EarlierRows

if TYPE_CHECKING:
    import pandas

    from city_index.worlds.editions import EditionScores

__all__ = ["FINGERPRINT", "fingerprint", "rows_of_editions"]


def _sources() -> list[str]:
    """The hashes of the modules that compute, as they are when they are loaded, and the versions of what they use."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in modules]
    return [*digests, np.__version__, scipy.__version__, sys.version]


# A process that has loaded the code computes with that, whatever stands on the disk by then.
_SOURCES = _sources()


def fingerprint(*values: Any) -> str:
    """One SHA-256, in hex, over everything that values hold and the code: equal for what is the same to the bit.

    Args:
        values: text, numbers, arrays, dataclasses, and sequences and mappings of these.

    Raises:
        TypeError: a value holds something else, of which nobody knows what it consists of.
    """
    digest = hashlib.sha256()
    _add(digest, [_SOURCES, values])
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        digest.update(f"array {value.dtype.str} {value.shape}\n".encode())
        digest.update(np.ascontiguousarray(value))
        return
    parts: Sequence[Any] = ()
    content = ""
    if is_dataclass(value):
        parts = [(each.name, getattr(value, each.name)) for each in fields(value)]
    elif isinstance(value, Mapping):
        parts = sorted(value.items())
    elif isinstance(value, (list, tuple)):
        parts = value
    elif value is None or isinstance(value, (str, int, float, np.generic)):
        content = repr(value)
    else:
        raise TypeError(f"no fingerprint is known of {type(value).__name__}")
    digest.update(f"{type(value).__name__} {len(parts)} {len(content)} {content}\n".encode())
    for part in parts:
        _add(digest, part)


def rows_of_editions(
    editions: Iterable[EditionScores],
    compute: Callable[[EditionScores], Iterable[Mapping[str, Any]]],
    parameters: Sequence[int | float],
    types: Mapping[str, str],
    earlier: EarlierRows,
) -> pandas.DataFrame:
    """The rows of editions, in their order: of each that the build before had too, its rows there.

    Args:
        editions: the editions.
        compute: gives the rows of one.
        parameters: all that these follow from beside the edition and the code.
        types: the columns of a row with their pandas types, ``FINGERPRINT`` among them.
        earlier: the rows of the build before.
    """
    import pandas

    frames = []
    for edition in editions:
        known = fingerprint(edition, list(parameters))
        frame = earlier.of(known, list(types))
        if frame is None:
            rows = ({**row, FINGERPRINT: known} for row in compute(edition))
            frame = pandas.DataFrame(rows, columns=list(types))
        frames.append(frame.astype(dict(types)))
    return pandas.concat(frames) if frames else pandas.DataFrame(columns=list(types))
