"""The cities that samples are about, as they stand in the seed of cities."""

from __future__ import annotations

import csv
from typing import NamedTuple

from city_index.settings import PROJECT_DIRECTORY

# The seats of the governments of the 31 provincial units.
PROVINCIAL_SEATS = (
    "beijing",
    "tianjin",
    "shijiazhuang",
    "taiyuan",
    "hohhot",
    "shenyang",
    "changchun",
    "harbin",
    "shanghai",
    "nanjing",
    "hangzhou",
    "hefei",
    "fuzhou",
    "nanchang",
    "jinan",
    "zhengzhou",
    "wuhan",
    "changsha",
    "guangzhou",
    "nanning",
    "haikou",
    "chongqing",
    "chengdu",
    "guiyang",
    "kunming",
    "lhasa",
    "xian",
    "lanzhou",
    "xining",
    "yinchuan",
    "urumqi",
)


class City(NamedTuple):
    """A city of the seed."""

    city_code: str
    name_zh: str
    province_en: str


def known_cities(city_codes: list[str] | tuple[str, ...]) -> list[City]:
    """The cities with these codes, in this order.

    Raises:
        ValueError: the seed lacks one; the message names it.
    """
    with (PROJECT_DIRECTORY / "seeds" / "cities.csv").open(encoding="utf-8", newline="") as stream:
        known = {
            row["city_code"]: City(row["city_code"], row["name_zh"], row["province_en"])
            for row in csv.DictReader(stream)
        }
    for city_code in city_codes:
        if city_code not in known:
            raise ValueError(f"{city_code}: not a city of seeds/cities.csv")
    return [known[city_code] for city_code in city_codes]
