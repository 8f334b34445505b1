"""Names that would mean something to SQL, Jinja, patterns, shells or HTML go through the product as names."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import duckdb
import pytest
from landing_files import Door, make_door
from support import PAGES_OF_ALL_CITIES, Published, as_after_an_earlier_night, city_index, copy_home

from city_index.landing.raw_store import RawStore

# Codes: they begin with a letter, and hold whatever is neither control nor separator but a space.
HOSTILE = (
    "a'; drop table fct_city_scores; --",
    "b\"; attach 'x' as y; --",
    "c{{ 7 * 7 }}{% raw %}",
    "d*[?]{1,2}",
    "e<script>alert(1)</script>",
    "f\\n$(id)`id`%s$1",
    "g/../../h",
    "i=1+1|x",
)
INDEX = "x'; --\"{{ 1 }}*[a]<b>"
EDITION = "y';\"{{ 2 }}*<i>"
LEAVES = ("leaf'; --", 'leaf"{{ 3 }}*')
FILE_NAMES = (
    "it's; drop table x; --.csv",
    '"quoted" {{ 7 * 7 }}.csv',
    "star * [a-z] ?.csv",
    "new\nline.csv",
    "-rf $(id) `id` %2e%2e \\.csv",
    "<script>alert(1)<",
    "=1+1.csv",
)


def table(*rows: tuple[object, ...]) -> str:
    """Rows as CSV, quoted."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def framework(edition: str) -> str:
    key = (INDEX, edition)
    return table(
        ("index_code", "edition", "indicator_code", "parent_code", "name_zh", "name_en", "weight"),
        (*key, "total", "", HOSTILE[4], "Total {{ 7 * 7 }}", 1),
        (*key, "p'", "total", "=1+1", "<img src=x onerror=alert(1)>", 1),
        (*key, 's"', "p'", "@x", "'; --", 1),
        *((*key, leaf, 's"', leaf, HOSTILE[0], number + 1) for number, leaf in enumerate(LEAVES)),
    )


def cities() -> str:
    return table(("city_code", "name_zh", "name_en"), *((code, f"=城{code}", f"<b>{code}</b>") for code in HOSTILE))


def observations(edition: str, shift: int = 0) -> str:
    return table(
        ("index_code", "edition", "city_code", "indicator_code", "value", "source"),
        *(
            (INDEX, edition, city, leaf, 10 * number + place + shift, f"{city} {{{{ 7 * 7 }}}}")
            for number, city in enumerate(HOSTILE)
            for place, leaf in enumerate(LEAVES)
        ),
    )


def drop_index(door: Door) -> None:
    door.drop("cities", FILE_NAMES[0], cities())
    door.drop("frameworks", FILE_NAMES[1], framework(EDITION))
    door.drop("observations", FILE_NAMES[2], observations(EDITION))


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """A home whose own name is as bad."""
    return make_door(tmp_path / "ho'me; -- [a] {{ x }} *")


def test_hostile_names_land_as_they_are(door: Door) -> None:
    drop_index(door)
    outcome = door.land()
    assert outcome.refused == [] and [b.record.quarantined_count for b in outcome.batches] == [0, 0, 0]
    assert [row[0] for row in door.raw("cities", "city_code")] == list(HOSTILE)
    assert door.raw("observations", "index_code, edition, city_code, indicator_code, source")[0] == (
        INDEX,
        EDITION,
        HOSTILE[0],
        LEAVES[0],
        f"{HOSTILE[0]} {{{{ 7 * 7 }}}}",
    )
    assert {record.file_name for record in RawStore(door.settings).records()} == set(FILE_NAMES[:3])
    # A correction, a retry of an edition, and the same file again are found by the same names.
    door.drop("observations", FILE_NAMES[5] + ".csv", observations(EDITION, shift=1))
    assert [batch.record.accepted_count for batch in door.land().batches] == [len(HOSTILE) * len(LEAVES)]
    assert door.retry(INDEX, EDITION).batches == []
    door.drop("observations", FILE_NAMES[6], observations(EDITION, shift=1))
    assert door.land().batches == []
    door.account()


@pytest.mark.parametrize("name", FILE_NAMES)
def test_refusals_name_the_file_on_one_line(door: Door, name: str) -> None:
    door.drop("cities", f"{name}.csv", "city_code,no such column'; --{{ 7 * 7 }}\nx,y\n")
    (refused,) = door.land().refused
    assert refused.reason == "unknown column"
    assert "\n" not in refused.sentence() and "{{ 7 * 7 }}" in refused.detail
    assert RawStore(door.settings).refused_files() == [refused]


@pytest.mark.parametrize("name", HOSTILE)
def test_rows_of_unknown_names_come_back_as_they_were(door: Door, name: str) -> None:
    door.land_foreign_index()
    row = table(("wellbeing", "2024", name, "lifespan", 5)).strip()
    door.land_observations([row])
    ((reason, raw_row, city),) = door.quarantined("observations", "reason, raw_row, city_code")
    assert (reason, city) == ("unknown city", name)
    assert next(csv.reader([raw_row])) == ["wellbeing", "2024", name, "lifespan", "5"]


@pytest.mark.slow
def test_a_whole_night_of_hostile_names(door: Door, published: Published, tmp_path: Path, is_long: bool) -> None:
    drop_index(door)
    home = as_after_an_earlier_night(door.settings.home, published)
    run = city_index("run", home=home, **PAGES_OF_ALL_CITIES)
    assert run.returncode == 0, run.stderr
    first = door.settings.releases.glob("2*")
    (first_id,) = (folder.name for folder in first)
    with duckdb.connect(str(door.settings.published_database), read_only=True) as connection:
        found = connection.execute(
            "select city_code, total_rank from fct_city_scores where index_code = ? and edition = ? order by 2 desc",
            [INDEX, EDITION],
        ).fetchall()
    assert [code for code, _rank in found] == list(HOSTILE)
    # Nothing of it becomes markup, a template or a formula.
    pages = [path.read_text(encoding="utf-8") for path in (door.settings.published / "report").rglob("*.html")]
    assert not any("<script>alert" in page or "<img src=x" in page for page in pages)
    assert sum("&lt;script&gt;alert(1)" in page for page in pages) > 1
    for path in (door.settings.published / "csv").glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as stream:
            assert not [cell for row in csv.reader(stream) for cell in row if cell.lstrip().startswith(("=", "@"))], (
                path
            )
    of_edition = ("--index", INDEX, "--edition", EDITION)
    questions = [
        (("explain", HOSTILE[0], "total", *of_edition), HOSTILE[0]),
        (("explain", HOSTILE[4], LEAVES[1], *of_edition, "--html", str(tmp_path / "page.html")), ""),
        (("whatif", "--exclude-indicator", LEAVES[0], *of_edition), INDEX),
        (("verify",), "as its manifest says"),
    ]
    if is_long:
        # One night more, for two releases to compare.
        home = copy_home(home, tmp_path / "changed [x]'")
        (home / "landing" / "observations" / FILE_NAMES[3]).write_text(observations(EDITION, 3), encoding="utf-8")
        assert city_index("run", home=home).returncode == 0
        questions.append((("diff", first_id, "published", *of_edition), INDEX))
    for arguments, said in questions:
        done = city_index(*arguments, home=home)
        assert done.returncode == 0, (arguments, done.stderr)
        assert said in done.stdout, (arguments, done.stdout)
    assert "<script>alert" not in (tmp_path / "page.html").read_text(encoding="utf-8")
