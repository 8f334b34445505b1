"""A home with several editions of several indices, from which whole tests ask different questions.

What belongs here: the files that land in it and how it is made. What does not: what is asked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from support import PAGES_OF_ALL_CITIES, city_index, copy_home

from city_index.settings import PROJECT_DIRECTORY

CITIES = ("beijing", "shanghai", "guangzhou", "hangzhou", "nanjing", "wuhan")

# The same tree in three editions: weights and values change, and then values alone. Its labels are in order as numbers.
STEADY_FRAMEWORK = """index_code,edition,indicator_code,parent_code,name_zh,name_en,weight,aggregation
{key},total,,总,Total,1,geometric
{key},p,total,甲,P,{p},arithmetic
{key},q,total,乙,Q,1,arithmetic
{key},ps,p,甲,PS,1,harmonic
{key},qs,q,乙,QS,1,arithmetic
{key},a,ps,甲,A,{a},
{key},b,ps,乙,B,2,
{key},c,qs,丙,C,1,
"""

# An index that changes everything it can: `methods` has two editions, and `twin` has the data of the first under the
# framework of the second, landed as an index of its own.
FIRST_METHOD = """index_code,edition,indicator_code,parent_code,name_zh,name_en,weight
{key},total,,总,Total,1
{key},p,total,甲,P,1
{key},ps,p,甲,PS,1
{key},a,ps,甲,A,1
{key},b,ps,乙,B,1
{key},c,ps,丙,C,1
{key},gone,ps,丁,Gone,1
"""
SECOND_METHOD = """\
index_code,edition,indicator_code,parent_code,name_zh,name_en,weight,direction,normalisation,norm_low,norm_high,\
aggregation,missing_policy,min_coverage,denominator,imputation,treatment
{key},total,,总,Total,1,,,,,geometric,,,,,
{key},p,total,甲,P,2,,,,,arithmetic,renormalise,0.5,,,
{key},q,total,乙,Q,1,,,,,harmonic,,,,,
{key},ps,p,甲,PS,1,,,,,arithmetic,zero,,,,
{key},qs,q,乙,QS,1,,,,,arithmetic,,,,,
{key},a,ps,甲,A,3,-1,goalposts,-10,110,,,,,median,
{key},new,ps,戊,New,1,1,score,,,,,,,,
{key},b,ps,乙,B,1,1,min_max,,,,,,gdp,,
{key},c,qs,丙,C,1,1,percentile_rank,,,,,,,,winsorise
{key},d,qs,丁,D,1,1,score,,,,,,,,
"""


def observations(key: str, **values: Iterable[float | None]) -> str:
    """Rows of an observations file: for each leaf the values of the cities in their order."""
    return "".join(
        f"{key},{city},{leaf},{value}\n"
        for leaf, given in values.items()
        for city, value in zip(CITIES, given, strict=True)
        if value is not None
    )


FIRST_DATA = {"a": (10, 20, None, 40, 55, 60), "b": (90, 80, 70, 60, 50, 40), "c": (1, 2, 3, 4, 5, 99)}
HEADER = "index_code,edition,city_code,indicator_code,value\n"

WAITING = {
    "steady_9.csv": STEADY_FRAMEWORK.format(key="steady,9", p=3, a=1),
    "steady_10.csv": STEADY_FRAMEWORK.format(key="steady,10", p=1, a=5),
    "steady_11.csv": STEADY_FRAMEWORK.format(key="steady,11", p=1, a=5),
    "methods_1.csv": FIRST_METHOD.format(key="methods,1"),
    "methods_2.csv": SECOND_METHOD.format(key="methods,2"),
    "twin.csv": SECOND_METHOD.format(key="twin,1"),
    "values.csv": HEADER
    + observations("steady,9", a=(10, 20, 30, 40, 50, 60), b=(60,) * 6, c=(5, 15, 25, 35, 45, None))
    + observations("steady,10", a=(20, 20, 35, 30, 50, 66), b=(40,) * 6, c=(15, 5, 25, 55, 45, 7))
    + observations("steady,11", a=(25, 20, 35, 30, 50, 66), b=(40,) * 6, c=(15, 9, 25, 55, None, 7))
    + observations("methods,1", **FIRST_DATA, gone=(50,) * 6)
    + observations("methods,2", a=(9, 9, 9, 9, 8, 7), b=(1, 2, 3, 4, 5, 6), c=(6, 5, 4, 3, 2, 1), d=(40,) * 6)
    + observations("twin,1", **FIRST_DATA),
}


@dataclass(frozen=True)
class EditionsHome:
    """A home with a new edition, the checkout that the page was followed in, and what its last command printed."""

    checkout: Path
    printed: str

    @property
    def home(self) -> Path:
        return self.checkout / "var"

    @property
    def published(self) -> Path:
        return self.checkout / "var" / "published" / "city_index.duckdb"

    @property
    def build(self) -> Path:
        return self.checkout / "var" / "warehouse" / "build" / "build.duckdb"


def follow_the_page(published_home: Path, folder: Path) -> EditionsHome:
    """Follow the page about new editions to the letter, while files of other indices wait in the landing folder."""
    checkout, waiting = folder / "checkout", folder / "waiting"
    checkout.mkdir()
    waiting.mkdir()
    home = copy_home(published_home, checkout / "var")
    (checkout / ".venv").symlink_to(sys.prefix)
    for name, text in WAITING.items():
        (waiting / name).write_text(text, encoding="utf-8")
    assert city_index("ingest", *(str(waiting / name) for name in WAITING), home=home).returncode == 0
    page = (PROJECT_DIRECTORY / "docs" / "new_edition.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=checkout,
            env={
                **os.environ,
                "CITY_INDEX_HOME": str(home),
                **PAGES_OF_ALL_CITIES,
                "PYTHONPATH": str(PROJECT_DIRECTORY),
            },
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return EditionsHome(checkout, done.stdout)
