"""What lands reaches the published tables beside the report's index, and leaves that as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from landing_files import CITIES, FRAMEWORK, OBSERVATIONS
from support import Published, city_index, copy_home, rows, rows_of_edition

from city_index.builds import passed_unit_tests
from city_index.hashing import code_version
from city_index.releases.assemble import RELEASE_TABLES
from city_index.releases.manifest import read_manifest

pytestmark = pytest.mark.slow


def of_2020(database: Path) -> dict[str, list[tuple]]:
    """Everything that is published of the report's index of 2020."""
    return rows_of_edition(database, "medical_digital", "2020")


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory, published: Published):
    """A published home into which a foreign index was landed, with mistakes, and then corrections."""
    home = copy_home(published.home, tmp_path_factory.mktemp("landed") / "it's [a] home")
    files = tmp_path_factory.mktemp("files of an analyst")

    def write(name: str, text: str) -> str:
        (files / name).write_text(text, encoding="utf-8")
        return str(files / name)

    first = [
        write("it's countries.csv", CITIES),
        write("tree.csv", FRAMEWORK),
        write(
            "values.csv",
            OBSERVATIONS + "wellbeing,2024,AUT,lifespan,80\nwellbeing,2024,AUT,doctors,6O\n"
            "wellbeing,2024,CHE,lifespan,90\nwellbeing,2024,LIE,lifespan,70\nwellbeing,2024,CHE,doctors,120\n",
        ),
        write("gdp.csv", "city_code,year,statistic_code,value,unit\nAUT,2023,gdp,4700,100m_eur\n"),
    ]
    ingested = city_index("ingest", *first, home=home)
    assert ingested.returncode == 0, ingested.stderr
    (home / "landing" / "observations" / "extra.csv").write_text("foo,value\n1,2\n", encoding="utf-8")
    one = city_index("run", home=home)
    assert one.returncode == 0, one.stderr
    status = city_index("status", home=home)
    (home / "landing" / "observations" / "extra.csv").unlink()
    corrected = write(
        "corrected.csv", OBSERVATIONS + "wellbeing,2024,AUT,doctors,60\nwellbeing,2024,AUT,lifespan,85.5\n"
    )
    assert city_index("ingest", corrected, home=home).returncode == 0
    two = city_index("run", home=home)
    assert two.returncode == 0, two.stderr
    return home, one, status, two


def test_a_foreign_index_stands_beside_the_reports(landed, published: Published) -> None:
    home, *_runs = landed
    database = home / "published" / "city_index.duckdb"
    assert of_2020(database) == of_2020(published.database)
    # Weights 3 and 1; what is missing drops out: AUT (3 * 85.5 + 60) / 4, CHE 90 alone.
    assert rows(
        database,
        "select city_code, total_score, total_rank, tier_code, status, provenance from fct_city_scores "
        "where index_code = 'wellbeing' and edition = '2024' order by total_rank",
    ) == [
        ("CHE", 90.0, 1, None, "partial", "observed"),
        ("AUT", 79.125, 2, None, "complete", "observed"),
    ]
    assert rows(database, "select title_en from dim_editions where index_code = 'wellbeing'") == [("Well-being",)]


def test_the_run_says_what_landed_and_what_did_not(landed) -> None:
    _home, one, status, two = landed
    assert "observations/values.csv: 2 of 5 rows accepted, 3 quarantined" in one.stdout
    assert "not a number 1" in one.stdout and "unknown city 1" in one.stdout and "out of range 1" in one.stdout
    assert "refused observations/extra.csv: unknown column: it has the column 'foo'" in one.stdout
    assert "quarantine  observations: unknown city: 1 rows" in status.stdout
    assert "refused     observations/extra.csv" in status.stdout
    assert "observations/corrected.csv: 2 of 2 rows accepted" in two.stdout


def test_quarantine_and_batches_are_published(landed) -> None:
    home, *_runs = landed
    database = home / "published" / "city_index.duckdb"
    assert rows(
        database,
        "select kind, file_name, row_number, reason, raw_row, status from meta_quarantine order by row_number",
    ) == [
        ("observations", "values.csv", 3, "not a number", "wellbeing,2024,AUT,doctors,6O", "resolved"),
        ("observations", "values.csv", 5, "unknown city", "wellbeing,2024,LIE,lifespan,70", "open"),
        ("observations", "values.csv", 6, "out of range", "wellbeing,2024,CHE,doctors,120", "open"),
    ]
    assert rows(
        database,
        "select kind, file_name, received_count, accepted_count, quarantined_count from meta_batches "
        "order by batch_number",
    ) == [
        ("cities", "it's countries.csv", 2, 2, 0),
        ("frameworks", "tree.csv", 5, 5, 0),
        ("statistics", "gdp.csv", 1, 1, 0),
        ("observations", "values.csv", 5, 2, 3),
        ("observations", "corrected.csv", 2, 2, 0),
    ]
    assert rows(database, "select sum(open_count), sum(quarantined_count) from meta_quarantine_reasons") == [(2, 3)]
    names = {name for (name,) in rows(database, "select name from meta_checks where kind = 'gx_landed'")}
    assert "landed_observations_lose_no_row" in names


def test_corrections_are_published(landed) -> None:
    home, *_runs = landed
    ((old, new, old_file, new_file, old_batch, new_batch),) = rows(
        home / "published" / "city_index.duckdb",
        "select old_value, new_value, old_file_name, new_file_name, old_batch_id, new_batch_id from fct_corrections "
        "where index_code = 'wellbeing' and city_code = 'AUT' and indicator_code = 'lifespan'",
    )
    assert (old, new, old_file, new_file) == (80.0, 85.5, "values.csv", "corrected.csv")
    assert old_batch < new_batch


def test_unit_tests_run_once_for_each_version_of_the_code(landed, published: Published) -> None:
    """What a unit test sees depends on the code alone, so later nights of the same code repeat its results."""
    home, *_runs = landed

    def ran(home: Path) -> set[str]:
        results = json.loads((home / "warehouse/build/dbt/run_results.json").read_text(encoding="utf-8"))["results"]
        return {result["unique_id"].split(".")[0] for result in results}

    def told(home: Path) -> list[tuple]:
        query = "select name, status from meta_checks where kind = 'dbt_unit_test' order by all"
        return rows(home / "published" / "city_index.duckdb", query)

    assert "unit_test" in ran(published.home)
    assert "unit_test" not in ran(home) and {"model", "test", "seed"} <= ran(home)
    assert told(home) == told(published.home) != []
    # Another version of the code has passed none.
    assert len(passed_unit_tests(published.settings, code_version(published.settings))) == len(told(home))
    assert passed_unit_tests(published.settings, "0.0.0+another") == {}


def test_a_clean_home_with_what_landed_gives_the_same_bytes(landed, tmp_path: Path) -> None:
    """What is published is a function of seeds, raw/ and code; a file landed before adds nothing."""
    home, one, _status, two = landed
    # The runs so far found editions that they need not compute.
    for run in (one, two):
        assert "worlds of 2 editions as in the build before" in run.stdout
    clean = copy_home(home, tmp_path / "clean home with 'quote'")
    for name in ("warehouse", "published", "releases"):
        shutil.rmtree(clean / name)
    (archived,) = (clean / "archive").rglob("corrected.csv")
    archived.rename(clean / "landing" / "observations" / "once more.csv")
    run = city_index("run", home=clean)
    assert run.returncode == 0, run.stderr
    assert "once more.csv: landed before" in run.stdout
    assert "worlds of 0 editions as in the build before" in run.stdout
    before, after = (read_manifest(each / "published") for each in (home, clean))
    assert after.is_same_content(before)
    # When and how a release was made: these checks are those of landings, and of what a release before had.
    of_the_night = {f"{form}/{table}.{form}" for form in ("csv", "parquet") for table in RELEASE_TABLES}
    checks = (
        "select * from meta_checks where kind <> 'gx_landed' and name not like '%since_the_last_release' order by all"
    )
    assert rows(clean / "published" / "city_index.duckdb", checks) == rows(
        home / "published" / "city_index.duckdb", checks
    )
    compared = [name for name in before.files if name.startswith(("parquet/", "csv/")) and name not in of_the_night]
    assert len(compared) > 80
    for name in compared:
        assert (clean / "published" / name).read_bytes() == (home / "published" / name).read_bytes(), name


def test_an_observation_replaces_a_reconstructed_one(guests: Path) -> None:
    assert rows(
        guests,
        "select city_code, old_value, new_value, old_batch_id from fct_corrections where field_name = 'value' "
        "and index_code = 'medical_digital' order by 1",
    ) == [("beijing", 100.0, 0.0, "seeds"), ("shanghai", 0.0, 1.0, "seeds")]
    assert rows(
        guests,
        "select score, provenance from fct_indicator_scores where city_code = 'beijing' "
        "and indicator_code = 'infra_platform_population_db' and edition = '2020'",
    ) == [(0.0, "observed")]
    ((notice,),) = rows(guests, "select notice_en from rpt_city_index where city_code = 'beijing' and edition = '2020'")
    assert notice.startswith("Partly reconstructed observations")


def test_nothing_that_is_accepted_can_stop_the_night(guests: Path) -> None:
    ((light,),) = rows(guests, "select total_score from fct_city_scores where index_code = 'x' and city_code = 'a/b'")
    assert light == pytest.approx((33.3333333 + 1.3 * 66.6666667) / 2.3, abs=1e-12)
    assert rows(
        guests,
        "select row_key, new_value from fct_corrections where index_code = 'x/y' and field_name = 'value' order by 2",
    ) == [("x%2Fy/1/a%2Fb/c", 51.0), ("x%2Fy/1/a/b%2Fc", 52.0)]
    # A sparse city row changes what it says and nothing else.
    assert rows(guests, "select name_zh, province_zh from dim_cities where city_code = 'shanghai'") == [
        ("沪", "上海市")
    ]
    in_province = "select rank_in_province from fct_city_scores where edition = '2020' and city_code = 'shanghai'"
    assert rows(guests, in_province) == [(1,)]
    # A weight below zero weights nothing.
    assert rows(
        guests,
        "select distinct weighted_city_count - city_count from fct_cluster_scores "
        "where cluster_code = 'yrd' and edition = '2020'",
    ) == [(-1,)]
    assert rows(guests, "select reason from meta_quarantine") == [("out of range",)]


@pytest.mark.parametrize(
    ("name", "text", "options", "exit_code", "said"),
    [
        ("x.csv", CITIES.replace("name_en", "colour"), [], 3, "'colour'"),
        ("x.csv", "a,b\n1,2\n", [], 2, "--kind"),
        ("x.csv", FRAMEWORK, ["--kind", "cities"], 3, "unknown column"),
        ("x.csv", CITIES, ["--kind", "magic"], 2, "magic"),
        ("x.csv", "", [], 3, "empty file"),
        ("x.txt", CITIES, [], 3, "unknown format"),
        ("~$x.csv", CITIES, [], 3, "still being worked on"),
        ("x.parquet", "PAR1", [], 3, "not a Parquet file"),
    ],
)
def test_ingest_refuses_by_name(
    tmp_path: Path, name: str, text: str, options: list[str], exit_code: int, said: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    done = city_index("ingest", *options, str(tmp_path / name), home=tmp_path / "home")
    assert done.returncode == exit_code
    assert said in done.stderr and len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr
    assert not list((tmp_path / "home").rglob("*.*")) if (tmp_path / "home").exists() else True


def test_ingest_takes_what_it_can_and_names_the_rest(tmp_path: Path) -> None:
    for folder, text in (("a", CITIES), ("b", CITIES + "DEU,德国,Germany\n"), ("c", CITIES)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same name.csv").write_text(text, encoding="utf-8")
    files = [str(tmp_path / folder / "same name.csv") for folder in "abc"]
    done = city_index("ingest", *files, str(tmp_path / "nowhere.csv"), home=tmp_path / "home")
    assert done.returncode == 2
    assert "nowhere.csv: there is no such file" in done.stderr and "1 of 4 files" in done.stderr
    landing = tmp_path / "home" / "landing" / "cities"
    assert sorted(path.name for path in landing.iterdir()) == ["same name-2.csv", "same name.csv"]
