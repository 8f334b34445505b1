"""A synthetic register of hospital grades, in the columns of the landing kind ``hospitals``.

The hospitals stand in the seats of the provincial governments and none of them is real. The shares of the grades follow
published distributions of hospitals that were assessed; larger hospitals and those of some cities stand higher.
"""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

from samples.cities import PROVINCIAL_SEATS, City, known_cities

SOURCE = "synthetic sample, no real hospital"

FEWEST_HOSPITALS, MOST_HOSPITALS = 3, 9
FEWEST_BEDS, MOST_BEDS = 200, 4000
LAST_DAY = datetime.date(2024, 10, 31)

_MEDIAN_BEDS, _SPREAD_OF_LOG_BEDS = 850, 0.65
_WITHOUT_BEDS_SHARE = 0.05
# Of a hospital and a standard: registered as not assessed.
_UNGRADED_SHARE = 0.2
# How many assessments a graded hospital has of one standard: 1, 2 or 3.
_ASSESSMENT_COUNT_WEIGHTS = (40, 37, 23)
# What leads to a grade, as parts of a variance of 1; chance has the rest.
_VARIANCE_OF_BEDS, _VARIANCE_OF_CITY = 0.4, 0.15

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Standard:
    """A standard in one version, and what the register says about it."""

    standard_code: str
    standard_version: str
    # From the lowest up.
    grades: tuple[str, ...]
    # Relative numbers of graded hospitals whose latest grade is this one.
    grade_weights: tuple[float, ...]
    # Of all hospitals: without any row.
    absent_share: float

    @property
    def first_day(self) -> datetime.date:
        """Nothing is assessed before the year of the version."""
        return datetime.date(int(self.standard_version), 1, 1)

    def latest_grade(self, standing: float) -> int:
        """The place of the grade of a hospital whose standing is drawn from a standard normal distribution."""
        threshold = _NORMAL.cdf(standing) * sum(self.grade_weights)
        passed = 0.0
        for place, weight in enumerate(self.grade_weights):
            passed += weight
            if threshold < passed:
                return place
        return max(place for place, weight in enumerate(self.grade_weights) if weight)


STANDARDS = (
    # At 3 and above as in one province in 2020: 117, 46, 5 and 1 hospitals.
    Standard("emr", "2018", tuple("012345678"), (11, 26, 45, 117, 46, 5, 1, 0, 0), absent_share=0.0),
    Standard("smart_service", "2019", tuple("012345"), (32, 34, 24, 8, 2, 0), absent_share=0.15),
    Standard("smart_management", "2021", tuple("012345"), (6, 30, 38, 22, 4, 0), absent_share=0.25),
    Standard(
        "interoperability",
        "2020",
        ("一级", "二级", "三级", "四级乙等", "四级甲等", "五级乙等", "五级甲等"),
        (0, 12, 22, 30, 32, 4, 0),
        absent_share=0.5,
    ),
)


def _assessment_days(rng: random.Random, standard: Standard, count: int) -> list[str]:
    """Days in as many different years, earliest first."""
    years = sorted(rng.sample(range(standard.first_day.year, LAST_DAY.year + 1), count))
    days = []
    for year in years:
        first = datetime.date(year, 1, 1)
        last = min(datetime.date(year, 12, 31), LAST_DAY)
        days.append((first + datetime.timedelta(days=rng.randrange((last - first).days + 1))).isoformat())
    return days


def _history(rng: random.Random, latest: int, count: int, highest: int) -> list[int]:
    """Places of the grades that lead to the latest, earliest first; they mostly rise, and seldom fall."""
    places = [latest]
    while len(places) < count:
        step = rng.choices((-1, 0, 1), weights=(62, 33, 5))[0]
        places.append(min(max(places[-1] + step, 0), highest))
    return places[::-1]


def _assessments(rng: random.Random, standard: Standard, standing: float) -> list[tuple[str, str]]:
    """Days and grades of one hospital by one standard: none, one without a grade, or a history."""
    drawn = rng.random()
    if drawn < standard.absent_share:
        return []
    if drawn < standard.absent_share + _UNGRADED_SHARE:
        return [(_assessment_days(rng, standard, 1)[0], "")]
    (count,) = rng.choices((1, 2, 3), weights=_ASSESSMENT_COUNT_WEIGHTS)
    places = _history(rng, standard.latest_grade(standing), count, len(standard.grades) - 1)
    return [
        (day, standard.grades[place]) for day, place in zip(_assessment_days(rng, standard, count), places, strict=True)
    ]


def _size(rng: random.Random) -> tuple[int, float]:
    """Beds, and how many standard deviations their logarithm lies above the middle."""
    while True:
        deviations = rng.gauss(0, 1)
        beds = round(_MEDIAN_BEDS * math.exp(_SPREAD_OF_LOG_BEDS * deviations))
        if FEWEST_BEDS <= beds <= MOST_BEDS:
            return beds, deviations


def _city_rows(rng: random.Random, city: City) -> Iterator[dict[str, str]]:
    city_effect = rng.gauss(0, 1)
    for number in range(1, rng.randint(FEWEST_HOSPITALS, MOST_HOSPITALS) + 1):
        beds, size = _size(rng)
        beds_known = rng.random() >= _WITHOUT_BEDS_SHARE
        for standard in STANDARDS:
            standing = (
                _VARIANCE_OF_BEDS**0.5 * size
                + _VARIANCE_OF_CITY**0.5 * city_effect
                + (1 - _VARIANCE_OF_BEDS - _VARIANCE_OF_CITY) ** 0.5 * rng.gauss(0, 1)
            )
            for assessed_on, grade in _assessments(rng, standard, standing):
                yield {
                    "hospital_code": f"demo_{city.city_code}_h{number:02}",
                    "city_code": city.city_code,
                    "standard_code": standard.standard_code,
                    "standard_version": standard.standard_version,
                    "grade": grade,
                    "assessed_on": assessed_on,
                    "hospital_name_zh": f"示例医院-{city.name_zh}-{number:02}",
                    "beds": str(beds) if beds_known else "",
                    "source": SOURCE,
                }


def hospital_rows(random_seed: int) -> list[dict[str, str]]:
    """A register of three to nine hospitals in each seat of a provincial government.

    Args:
        random_seed: the same seed gives the same rows.

    Returns:
        rows as in a CSV file, in order of city, hospital, standard and day. Without a grade a hospital is registered as
        not assessed; the day is then that of the register.
    """
    rng = random.Random(random_seed)
    return [row for city in known_cities(PROVINCIAL_SEATS) for row in _city_rows(rng, city)]
