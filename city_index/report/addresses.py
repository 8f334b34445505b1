"""Where the pages of the site stand, and how one links to another.

A code becomes the name of a file only where every file system takes it; any other gets a name made from its hash.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable
from functools import cache

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
# Names that some file systems keep for themselves, and the folders of the site.
_RESERVED = {
    *("en", "assets"),
    *("con", "prn", "aux", "nul"),
    *(f"{device}{number}" for device in ("com", "lpt") for number in range(10)),
}
_MADE = "x-"
_HASH_DIGITS = 16

LANGUAGES = ("zh", "en")
_LANGUAGE_FOLDERS = {"zh": "", "en": "en/"}


def file_names(codes: Iterable[str]) -> dict[str, str]:
    """A file name, without its ending, for each code: no two differ by case alone."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for code in sorted(codes):
        name = code
        # A plain name that looks like a made one could be taken for it.
        is_plain = _PLAIN.fullmatch(code) and not code.lower().startswith(_MADE)
        if not is_plain or code.lower() in _RESERVED or code.lower() in taken:
            name = f"{_MADE}{hashlib.sha256(code.encode()).hexdigest()[:_HASH_DIGITS]}"
        taken.add(name.lower())
        names[code] = name
    return names


def in_language(page: str, language: str) -> str:
    """The path of a page in one of the languages, from the root of the site."""
    return _LANGUAGE_FOLDERS[language] + page


def link(source: str, target: str) -> str:
    """The address of one file of the site in another, relative, so that it holds wherever the site is opened."""
    return _relative(target, posixpath.dirname(source) or ".")


# Thousands of pages of one folder link to the same few others.
@cache
def _relative(target: str, folder: str) -> str:
    return posixpath.relpath(target, folder)
