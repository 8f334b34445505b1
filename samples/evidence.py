"""Synthetic evidence about cities, in the columns of the landing kind ``evidence``: as many records as are asked for.

The titles come from ``evidence_wordings.csv``, which was written from the leaves of the framework and the report behind
it, and knows nothing of any rule by which titles are classified. Some records are noise, and some repeat an earlier one
in other typography, as collections of web pages do.
"""

from __future__ import annotations

import csv
import datetime
import random
import re
import tempfile
from bisect import bisect
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

from city_index.database import connect, copy_to_parquet, file_pattern
from samples.cities import City, known_cities
from samples.evidence_wordings import Subject, Wording, subjects

_Option = TypeVar("_Option")

COLUMNS = (
    "evidence_id",
    "city_code",
    "title",
    "published_on",
    "kind",
    "indicator_code",
    "status",
    "url",
    "publisher",
    "text",
)
FIRST_DAY, LAST_DAY = datetime.date(2016, 1, 1), datetime.date(2024, 10, 31)
SHORTEST_TEXT, LONGEST_TEXT = 40, 200

_POLICY_SHARE = 0.1
_NOISE_SHARE = 0.06
_NEAR_DUPLICATE_SHARE = 0.08
_LABELLED_SHARE = 0.01
_STATUS_SHARE = 0.3
_TEXT_SHARE = 0.5
# Of the sentences of a text but its first: about no subject.
_FILLER_SHARE = 0.3
# Of the texts: with a sentence about another subject.
_DIGRESSION_SHARE = 0.1
# Of the records of a city that are no policies: drawn without repetition until every leaf was there once.
_WITHOUT_REPETITION_SHARE = 0.85
# Policies on digital health at large stand above those on single platforms.
_POLICY_LEAVES, _POLICY_LEAF_WEIGHT = ("gov_policy_general", "gov_policy_special"), 12.0
# Later years have more records: a day is drawn by a number from 0 to 1 raised to this power.
_LATENESS = 0.6
# How many records of a city, and of policies apart, may still be repeated.
_REMEMBERED = 16
_LONGEST_DELAY_DAYS = 42

_EAST = {"Beijing", "Tianjin", "Hebei", "Shanghai", "Jiangsu", "Zhejiang", "Fujian", "Shandong", "Guangdong", "Hainan"}
_WEST = {
    *("Inner Mongolia", "Guangxi", "Chongqing", "Sichuan", "Guizhou", "Yunnan"),
    *("Tibet", "Shaanxi", "Gansu", "Qinghai", "Ningxia", "Xinjiang"),
}
# Relative numbers of records.
_EAST_WEIGHT, _MIDDLE_WEIGHT, _WEST_WEIGHT = 3.0, 2.0, 1.0

_DAYS = [(FIRST_DAY + datetime.timedelta(days=number)).isoformat() for number in range((LAST_DAY - FIRST_DAY).days + 1)]


def _first_day_of(year: int) -> int:
    """The place of the first day of a year."""
    return (datetime.date(year, 1, 1) - FIRST_DAY).days


_POLICY_PUBLISHERS = tuple(
    f"示例{office}" for office in ("政府网", "卫生健康委", "医保局", "政务公开网", "卫生信息中心", "政策汇编")
)
_OTHER_PUBLISHERS = tuple(
    f"示例{paper}{number:02}"
    for paper in ("日报", "晚报", "健康网", "卫生信息网", "科技资讯", "产业观察", "医院简报", "融媒体")
    for number in range(1, 13)
)

# The first that a title holds gives the status.
_STATUS_WORDS = (
    ("assessed", ("通过", "测评", "评审", "验收", "获评", "获批", "认定", "入选", "达标", "考核", "取得")),
    ("pilot", ("试点", "试运行", "试用", "先行", "试行", "首批", "试验")),
    ("planned", ("规划", "计划", "方案", "征求意见", "签约", "立项", "启动", "中标", "动工", "奠基", "招标", "力争")),
)
_STATUS_OF_KIND = {"policy": "planned", "case": "live", "platform": "live", "qualification": "assessed"}

_SENTENCES = tuple(
    Wording("text", sentence)
    for sentence in (
        "{city}{district}近日围绕{topic}开展了[新一轮|阶段性]工作，{number}家单位参加。",
        "记者从{district}了解到，{topic}已列入{city}{year}年重点任务，由{vendor}提供技术支持。",
        "据介绍，{topic}[投入|完成]后，居民平均等候时间减少{number}分钟。",
        "{hospital}信息科负责人表示，{topic}的建设历时{number}个月，期间业务未受影响。",
        "项目总投资{number}00万元，其中{topic}占[六成|一半|近三分之一]。",
        "截至{year}年底，{city}已有{number}家机构用上{topic}，{partner}也在其中。",
        "下一步，{district}将继续完善{topic}，并在{partner}等单位推开。",
        "有关负责人介绍，{topic}遵循统一标准，与既有系统平稳衔接。",
        "{vendor}工程师驻场{number}天，完成了{topic}的调试与培训。",
    )
)
_FILLERS = tuple(
    Wording("text", sentence)
    for sentence in (
        "群众反映良好。",
        "该做法已在{number}个街道交流。",
        "相关工作由示例专班统筹推进。",
        "会议要求压实责任、按月调度。",
        "{district}分管负责人参加活动。",
        "具体安排以正式文件为准。",
        "此前，{partner}曾到现场学习。",
        "后续情况将及时向社会公布。",
    )
)
_TEXT_OPENING = "（示例）"


@dataclass
class _Record:
    """What a later record may repeat."""

    title: str
    day: int
    kind: str
    text: str
    publisher: str
    indicator_code: str


@dataclass
class _CityState:
    city: City
    # Leaves that are still to come before one is repeated.
    deck: list[Subject] = field(default_factory=list)
    # Recent records that repeat none, policies and others apart.
    recent: dict[bool, deque[_Record]] = field(
        default_factory=lambda: {is_policy: deque(maxlen=_REMEMBERED) for is_policy in (False, True)}
    )


def _city_weight(rng: random.Random, city: City) -> float:
    region = (
        _EAST_WEIGHT if city.province_en in _EAST else _WEST_WEIGHT if city.province_en in _WEST else _MIDDLE_WEIGHT
    )
    return region * rng.lognormvariate(0, 0.2)


def _full_width(rng: random.Random, title: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in title)


def _spaced(rng: random.Random, title: str) -> str:
    for _space in range(rng.randint(1, 3)):
        place = rng.randint(1, len(title) - 1)
        # A number stays in one piece.
        while title[place - 1].isdigit() and title[place : place + 1].isdigit():
            place += 1
        title = title[:place] + rng.choice((" ", "  ", "\u3000")) + title[place:]
    return title


_OTHER_PUNCTUATION = str.maketrans(
    {"，": ",", "：": ":", "（": "(", "）": ")", "“": '"', "”": '"', "、": "，", "〔": "[", "〕": "]"}
)


def _repunctuated(rng: random.Random, title: str) -> str:
    other = title.translate(_OTHER_PUNCTUATION)
    return other + rng.choice(("", "。", "！")) if other != title else title + rng.choice(("。", "！", "…"))


def _reposted(rng: random.Random, title: str) -> str:
    return rng.choice(("【转载】{}", "【转载】{}（图）", "{}（图）", "（图）{}", "[转载]{}", "{}【转载】")).format(
        title
    )


_VERBS = re.compile(
    "(?<![正式成功试拟已未])(上线|启用|投入使用|投用|开通|建成|揭牌|印发|交付|落地|签约|获批|通过|完成|开园)"
)


def _emphasised(rng: random.Random, title: str) -> str:
    emphasis = rng.choice(("正式", "成功"))
    return _VERBS.sub(lambda found: emphasis + found.group(), title, count=1)


_VARIATIONS: tuple[Callable[[random.Random, str], str], ...] = (
    _full_width,
    _spaced,
    _repunctuated,
    _reposted,
    _emphasised,
)


def _other_typography(rng: random.Random, title: str) -> str:
    """The title as another site might show it; never the same."""
    varied = title
    while varied == title:
        for vary in rng.sample(_VARIATIONS, rng.choice((1, 1, 2))):
            varied = vary(rng, varied)
    return varied


def _status(title: str, kind: str) -> str:
    for status, words in _STATUS_WORDS:
        if any(word in title for word in words):
            return status
    return _STATUS_OF_KIND[kind]


class _Generator:
    """Writes records one by one; what it remembers does not grow with their number."""

    def __init__(self, random_seed: int, cities: list[str]):
        self._rng = random.Random(random_seed)
        self.chance = self._rng.random
        self._states = [_CityState(city) for city in known_cities(cities)]
        self._city_bounds = list(accumulate(_city_weight(self._rng, state.city) for state in self._states))
        self._noise = subjects()[""]
        self._leaves = [subject for code, subject in subjects().items() if code]
        self._leaf_bounds = {
            True: list(
                accumulate(
                    _POLICY_LEAF_WEIGHT if leaf.indicator_code in _POLICY_LEAVES else 1.0 for leaf in self._leaves
                )
            ),
            False: list(accumulate(self._rng.lognormvariate(0, 0.6) for _leaf in self._leaves)),
        }

    def _place(self, bounds: list[float]) -> int:
        """A place drawn by the weights whose running sums are given."""
        return bisect(bounds, self.chance() * bounds[-1], 0, len(bounds) - 1)

    def _leaf(self, state: _CityState, is_policy: bool) -> Subject:
        if is_policy or self.chance() >= _WITHOUT_REPETITION_SHARE:
            return self._leaves[self._place(self._leaf_bounds[is_policy])]
        if not state.deck:
            state.deck = list(self._leaves)
            self._rng.shuffle(state.deck)
        return state.deck.pop()

    def _choice(self, options: Sequence[_Option]) -> _Option:
        return options[int(self.chance() * len(options))]

    def _publisher(self, is_policy: bool, other_than: str = "") -> str:
        publisher = other_than
        while publisher == other_than:
            publisher = self._choice(_POLICY_PUBLISHERS if is_policy else _OTHER_PUBLISHERS)
        return publisher

    def _text(self, subject: Subject, city: str, year: str) -> str:
        """Sentences about the subject, some of them about nothing, one perhaps about another subject."""
        length = SHORTEST_TEXT + int(self.chance() * (LONGEST_TEXT - SHORTEST_TEXT) * 0.8)
        digresses = self.chance() < _DIGRESSION_SHARE
        sentences = self._rng.sample(_SENTENCES, len(_SENTENCES))
        fillers = self._rng.sample(_FILLERS, len(_FILLERS))
        text = _TEXT_OPENING + sentences.pop().write(self.chance, city, year, self._choice(subject.topics))
        while len(text) < length:
            about = subject
            if digresses:
                about, digresses = self._choice(self._leaves), False
            sentence = (fillers if fillers and self.chance() < _FILLER_SHARE else sentences).pop()
            text += sentence.write(self.chance, city, year, self._choice(about.topics))
        return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"

    def _new(self, state: _CityState, is_policy: bool) -> _Record:
        subject = self._noise if self.chance() < _NOISE_SHARE else self._leaf(state, is_policy)
        wording = self._choice(subject.policies if is_policy else subject.others)
        first_day = _first_day_of(wording.first_year)
        day = first_day + int((len(_DAYS) - first_day) * self.chance() ** _LATENESS)
        year, city = _DAYS[day][:4], state.city.name_zh
        return _Record(
            title=wording.write(self.chance, city, year),
            day=day,
            kind=wording.kind,
            text=self._text(subject, city, year) if self.chance() < _TEXT_SHARE else "",
            publisher=self._publisher(is_policy),
            indicator_code=subject.indicator_code,
        )

    def _near_duplicate(self, original: _Record) -> _Record:
        return replace(
            original,
            title=_other_typography(self._rng, original.title),
            day=min(original.day + self._rng.randint(1, _LONGEST_DELAY_DAYS), len(_DAYS) - 1),
            publisher=self._publisher(original.kind == "policy", other_than=original.publisher),
        )

    def record(self, evidence_id: str, is_policy: bool) -> tuple[dict[str, str], str]:
        """A row and the code of the leaf that it was written for."""
        state = self._states[self._place(self._city_bounds)]
        recent = state.recent[is_policy]
        if recent and self.chance() < _NEAR_DUPLICATE_SHARE:
            record = self._near_duplicate(self._choice(recent))
        else:
            record = self._new(state, is_policy)
            recent.append(record)
        row = {
            "evidence_id": evidence_id,
            "city_code": state.city.city_code,
            "title": record.title,
            "published_on": _DAYS[record.day],
            "kind": record.kind,
            "indicator_code": record.indicator_code if self.chance() < _LABELLED_SHARE else "",
            "status": _status(record.title, record.kind) if self.chance() < _STATUS_SHARE else "",
            "url": f"https://demo.example/evidence/{evidence_id}",
            "publisher": record.publisher,
            "text": record.text,
        }
        return row, record.indicator_code


def evidence_with_leaves(
    random_seed: int, cities: list[str], policy_count: int, case_count: int
) -> Iterator[tuple[dict[str, str], str]]:
    """Records of evidence, each with the leaf that it was written for, which a classifier is not to see.

    Args:
        random_seed: the same seed, cities and numbers give the same records.
        cities: codes of the cities, which the seed of cities must have.
        policy_count: how many records are policies, spread evenly over all.
        case_count: how many are of the other kinds.

    Yields:
        the row, as in a CSV file, and the code of its leaf; the code is empty where the record is noise.

    Raises:
        ValueError: a city is unknown.
    """
    generator = _Generator(random_seed, cities)
    policies_left = policy_count
    for left in range(policy_count + case_count, 0, -1):
        is_policy = generator.chance() * left < policies_left
        policies_left -= is_policy
        yield generator.record(f"demo_{random_seed}_{policy_count + case_count - left + 1:07}", is_policy)


def evidence_rows(random_seed: int, cities: list[str], record_count: int) -> Iterator[dict[str, str]]:
    """Records of evidence, of which a tenth are policies; see ``evidence_with_leaves``."""
    policy_count = round(record_count * _POLICY_SHARE)
    for row, _leaf in evidence_with_leaves(random_seed, cities, policy_count, record_count - policy_count):
        yield row


def write_evidence_parquet(path: Path, random_seed: int, cities: list[str], policy_count: int, case_count: int) -> None:
    """Write records of evidence to a Parquet file, in memory that hardly grows with their number.

    All columns are text but the date; what a row leaves empty is null. The rows pass through a temporary CSV file
    beside the target, several times its size, which DuckDB reads and writes in chunks.
    """
    types = ", ".join(f"{column}: '{'DATE' if column == 'published_on' else 'VARCHAR'}'" for column in COLUMNS)
    # Each thread holds rows of its own in memory, and next to the writing of the records the copy takes no time.
    with (
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
        connect({"threads": "1"}, paths=[path.parent]) as connection,
    ):
        rows_file = Path(folder) / "evidence.csv"
        with rows_file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for row, _leaf in evidence_with_leaves(random_seed, cities, policy_count, case_count))
        copy_to_parquet(
            connection,
            f"select * from read_csv({file_pattern(rows_file)}, columns={{{types}}}, header=true, delim=',', "
            "quote='\"', escape='\"', auto_detect=false, strict_mode=true)",
            path,
        )
