"""The wordings of sample titles: reading them from their file, and writing titles and texts with them.

A wording is Chinese text with alternatives, ``[上线|启用]``, and slots: ``{hospital}``, ``{partner}``, ``{vendor}``,
``{district}``, ``{number}`` and ``{version}`` are filled by chance with made-up names, ``{city}``, ``{year}`` and
``{topic}`` by what the record is about. An alternative may hold slots, but no alternatives.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_WORDINGS_FILE = Path(__file__).with_suffix(".csv")

_VENDORS = tuple(
    f"示例{line}{mark}" for line in ("科技", "医疗", "健康", "数据", "智能") for mark in "甲乙丙丁戊己庚辛壬癸"
)
_DISTRICTS = tuple(
    f"示例{place}"
    for place in (
        "区",
        "新区",
        "高新区",
        "经开区",
        "东区",
        "西区",
        "南区",
        "北区",
        "县",
        "东县",
        "西县",
        "南县",
        "北县",
    )
)
_SLOTS = {
    "hospital": tuple(f"示例医院{number:02}" for number in range(1, 61)),
    "partner": tuple(
        f"示例{line}{number:02}" for line in ("县医院", "卫生院", "社区中心", "区医院") for number in range(1, 21)
    ),
    "vendor": _VENDORS,
    "district": _DISTRICTS,
    "number": tuple(str(number) for number in range(2, 61)),
    "version": ("试行", "征求意见稿", "修订版", "第一版", "第二版"),
}

# What did not exist before some year is in no title of an earlier one.
_FIRST_YEARS = {
    "互联网医院": 2017,
    "医共体": 2017,
    "AIOps": 2018,
    "卫健": 2018,
    "医保发": 2018,
    "医保电子凭证": 2019,
    "医保信息平台": 2019,
    "智慧服务分级": 2019,
    "5G": 2019,
    "2.0": 2019,
    "追溯码": 2019,
    "Wi-Fi 6": 2020,
    "多点触发": 2020,
    "智慧管理分级": 2021,
    "大模型": 2023,
}
_EARLIEST_YEAR = 2016

# Text, or options of which each is as likely; an option is text or pieces of its own.
_Piece = str | tuple["str | list[_Piece]", ...]

_TOKEN = re.compile(r"\[([^\]]*)\]|\{(\w+)\}|([^\[{]+)")


def _pieces(wording: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    for alternatives, slot, text in _TOKEN.findall(wording):
        if alternatives:
            pieces.append(tuple(_pieces(option) if "{" in option else option for option in alternatives.split("|")))
        elif slot in _SLOTS:
            pieces.append(_SLOTS[slot])
        else:
            pieces.append(f"{{{slot}}}" if slot else text)
    return pieces


def _write(pieces: list[_Piece], chance: Callable[[], float]) -> str:
    written = []
    for piece in pieces:
        if isinstance(piece, tuple):
            option = piece[int(chance() * len(piece))]
            written.append(_write(option, chance) if isinstance(option, list) else option)
        else:
            written.append(piece)
    return "".join(written)


class Wording:
    """A wording, ready to be written many times."""

    def __init__(self, kind: str, wording: str):
        self.kind = kind
        self.first_year = max((year for word, year in _FIRST_YEARS.items() if word in wording), default=_EARLIEST_YEAR)
        self._pieces = _pieces(wording)

    def write(self, chance: Callable[[], float], city: str, year: str, topic: str = "") -> str:
        """One text; ``chance`` gives numbers from 0 to below 1."""
        return _write(self._pieces, chance).replace("{city}", city).replace("{year}", year).replace("{topic}", topic)


@dataclass
class Subject:
    """What there is to say about a leaf, or, where the code is empty, about nothing that an index asks for."""

    indicator_code: str
    policies: list[Wording] = field(default_factory=list)
    others: list[Wording] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)


@cache
def subjects() -> dict[str, Subject]:
    """All subjects by their indicator code, in the order of the file."""
    found: dict[str, Subject] = {}
    with _WORDINGS_FILE.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            subject = found.setdefault(row["indicator_code"], Subject(row["indicator_code"]))
            if row["use"] == "topic":
                subject.topics.append(row["wording"])
            else:
                wordings = subject.policies if row["use"] == "policy" else subject.others
                wordings.append(Wording(row["use"], row["wording"]))
    return found
