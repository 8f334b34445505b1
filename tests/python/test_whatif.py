"""``city-index whatif``: the project's own formula, files of weights that are wrong, and nothing published changes."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import duckdb
import pytest
from editions_home import EditionsHome
from recomputation import ROOT, recompute
from support import Published, city_index, copy_home, rows

from city_index.checksums import file_sha256
from city_index.database import connect
from city_index.errors import NothingPublishable, UsageError
from city_index.formulas import Formulas
from city_index.settings import PROJECT_DIRECTORY, Settings
from city_index.spreadsheets import copy_to_csv
from city_index.weights_file import read_weights
from city_index.whatif import RANKING, Answer, ask

HEADER = "indicator_code,weight\n"


@pytest.fixture
def weights(tmp_path: Path):
    """Writes a file of weights; gives its path."""

    def write(content: str | bytes, name: str = "weights.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def framework_of(database: Path, index_code: str, edition: str) -> list[dict[str, str]]:
    """The published tree as rows of a framework file."""
    names = ("indicator_code", "parent_code", "weight", "missing_policy", "min_coverage", "edition", "aggregation")
    query = f"select {', '.join(names)} from dim_indicators where index_code = '{index_code}' and edition = '{edition}'"
    return [
        {name: "" if value is None else str(value) for name, value in zip(names, row, strict=True)}
        for row in rows(database, query)
    ]


def observations_of_2020() -> list[dict[str, str]]:
    with (PROJECT_DIRECTORY / "seeds" / "observations.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def recomputed(framework: list[dict[str, str]]) -> dict[str, tuple[float, int]]:
    """Total and rank of each city of 2020 under a framework, in plain Python."""
    leaves = {row["indicator_code"] for row in framework} - {row["parent_code"] for row in framework}
    observed = [row for row in observations_of_2020() if row["indicator_code"] in leaves]
    results = recompute(framework, observed)
    return {key[-2]: (result.score, result.rank) for key, result in results.items() if key[-1] == ROOT}


def found(answer: Answer) -> dict[str, tuple[float, int]]:
    return {
        city: (score, rank)
        for city, score, rank in answer.connection.execute(
            f"select city_code, new_score, new_rank from {RANKING}"
        ).fetchall()
    }


def assert_agree(have: dict[str, tuple[float, int]], want: dict[str, tuple[float, int]]) -> None:
    assert have.keys() == want.keys()
    for city, (score, rank) in want.items():
        assert have[city][0] == pytest.approx(score, abs=1e-9), city
        assert have[city][1] == rank, city


# The formula


def test_the_formula_is_the_sql_of_the_warehouse(published: Published) -> None:
    """What dbt compiled for a level of the tree is what is rendered without it, but for the relations' names."""
    folder = published.home / "warehouse" / "build" / "dbt" / "compiled"
    (compiled,) = (path for path in folder.rglob("int_total_scores.sql") if path.parent.name == "intermediate")
    relations = [f'"build"."intermediate"."int_{name}"' for name in ("primary_scores", "scenario_indicators")]
    assert compiled.read_text(encoding="utf-8").strip() == Formulas(PROJECT_DIRECTORY).parent_scores(*relations).strip()


@pytest.mark.parametrize(
    ("index_code", "edition"),
    [("medical_digital", "2020"), ("medical_digital", "2021"), ("methods", "2"), ("steady", "11"), ("twin", "1")],
)
def test_the_published_weights_give_the_published_ranking_to_the_last_digit(
    editions: EditionsHome, tmp_path: Path, index_code: str, edition: str
) -> None:
    """Arithmetic, geometric and harmonic nodes, missing children under every policy."""
    file = tmp_path / "as published.csv"
    with duckdb.connect(str(editions.published), read_only=True) as connection:
        connection.execute(
            f"copy (select index_code, edition, indicator_code, weight from dim_indicators "
            f"where index_code = '{index_code}' and edition = '{edition}') to '{file}' (header)"
        )
    answer = ask(Settings(PROJECT_DIRECTORY, editions.home), file, [])
    assert str(answer.edition) == f"{index_code} {edition}"
    (different,) = answer.connection.execute(
        f"select count(*) from {RANKING} where new_score is distinct from published_score "
        "or new_rank is distinct from published_rank"
    ).fetchone()
    assert different == answer.moved_count == 0
    assert answer.city_count == answer.connection.execute("select count(*) from ranking").fetchone()[0] > 5
    assert answer.rank_correlation == pytest.approx(1)


def test_changed_weights_give_what_a_recomputation_gives(published: Published, weights) -> None:
    framework = framework_of(published.database, "medical_digital", "2020")
    given = {"infra": "0.9", "infra_platform_population_db": "７"}
    text = HEADER + "".join(f"{code},{weight}\n" for code, weight in given.items())
    answer = ask(published.settings, weights(text), [])
    numbers = {"infra": "0.9", "infra_platform_population_db": "7"}
    changed = [{**row, "weight": numbers.get(row["indicator_code"], row["weight"])} for row in framework]
    assert_agree(found(answer), recomputed(changed))
    assert answer.moved_count > 50
    assert 0 < answer.rank_correlation < 1


@pytest.mark.parametrize("excluded", ["infra_platform_emr_collection", "infra_platform", "hospital"])
def test_an_excluded_indicator_gives_what_a_recomputation_without_it_gives(published: Published, excluded: str) -> None:
    framework = framework_of(published.database, "medical_digital", "2020")
    gone = {excluded}
    for _level in range(3):
        gone |= {row["indicator_code"] for row in framework if row["parent_code"] in gone}
    answer = ask(published.settings, None, [excluded])
    assert answer.change.gone == gone
    assert_agree(found(answer), recomputed([row for row in framework if row["indicator_code"] not in gone]))


def test_parents_left_without_children_go_too(editions: EditionsHome) -> None:
    """In the index below, q has one secondary with one leaf; without it the total is that of p."""
    settings = Settings(PROJECT_DIRECTORY, editions.home)
    answer = ask(settings, None, ["c"], "steady", "9")
    assert answer.change.gone == {"c", "qs", "q"}
    assert found(answer)["beijing"] == (pytest.approx(3 / (1 / 10 + 2 / 60)), 6)
    with pytest.raises(UsageError, match="nothing of steady 9 is left"):
        ask(settings, None, ["c", "p"], "steady", "9")


def test_weights_of_any_size_are_relative(editions: EditionsHome, weights) -> None:
    settings = Settings(PROJECT_DIRECTORY, editions.home)
    small, large = (
        found(ask(settings, weights(HEADER + f"a,{a}\nb,{b}\n"), [], "steady", "9"))
        for a, b in (("1e-300", "3e-300"), ("0.5e308", "1.5e308"))
    )
    assert_agree(small, large)
    assert small["beijing"][0] == pytest.approx((4 / (1 / 10 + 3 / 60)) ** 0.75 * 5**0.25)


# Which edition


def test_the_edition_is_the_newest_of_the_only_index(published: Published, editions: EditionsHome) -> None:
    assert str(ask(published.settings, None, ["infra"]).edition) == "medical_digital 2020"
    settings = Settings(PROJECT_DIRECTORY, editions.home)
    # 11 is newer than 9, though not by the alphabet.
    assert str(ask(settings, None, ["a"], "steady").edition) == "steady 11"
    with pytest.raises(
        UsageError, match=r"--index; there is medical_digital \(demo, 2020, 2021\); .*steady \(9, 10, 11\)"
    ):
        ask(settings, None, ["a"])
    with pytest.raises(UsageError, match=r"no index 'other' is published; there is medical_digital"):
        ask(settings, None, ["a"], "other")
    with pytest.raises(UsageError, match=r"steady has no edition '12'; there is steady \(9, 10, 11\)"):
        ask(settings, None, ["a"], "steady", "12")


def test_a_file_may_say_which_edition_it_is_about(editions: EditionsHome, weights) -> None:
    settings = Settings(PROJECT_DIRECTORY, editions.home)
    file = weights("edition,weight,index_code,indicator_code\n9,5,steady,a\n,1,,b\n")
    with pytest.raises(UsageError, match="name the index"):
        ask(settings, file, [])
    file = weights("edition,weight,index_code,indicator_code\n9,5,steady,a\n9,1,steady,b\n")
    assert str(ask(settings, file, []).edition) == "steady 9"
    with pytest.raises(
        NothingPublishable, match=r"row 2, column edition: it is '9', and the question is about steady 10"
    ):
        ask(settings, file, [], "steady", "10")


# Files of weights

WRONG_FILES = {
    "empty": ("", "it is empty; put the columns indicator_code, weight into it"),
    "white space": ("\n\n  \n", "it is empty"),
    "a mark alone": (b"\xef\xbb\xbf", "it is empty"),
    "header alone": (HEADER, "it holds no weights"),
    "blank rows": (HEADER + ",\n\n,,,\n", "it holds no weights"),
    "no weight column": ("indicator_code\ninfra\n", "row 1, column weight: the column is missing"),
    "no code column": ("code;weight\ninfra;1\n", "row 1, column indicator_code: the column is missing"),
    "extra column": ("indicator_code,weight,colour\ninfra,1,red\n", "row 1, column 'colour': a file of weights has no"),
    "column twice": ("indicator_code,weight,weight\ninfra,1,1\n", "row 1, column weight: the column is there twice"),
    "not a number": (HEADER + "infra,heavy\n", "row 2, column weight: 'heavy' is not a number"),
    "decimal comma": (HEADER + 'infra,"0,5"\n', "row 2, column weight: '0,5' is not a number"),
    "underscore": (HEADER + "infra,1_0\n", "'1_0' is not a number"),
    "other digits": (HEADER + "infra,²\n", "'²' is not a number"),
    "no weight": (HEADER + "\ninfra,\n", "row 3, column weight: it is empty"),
    "nan": (HEADER + "infra,NaN\n", "'NaN' is not finite"),
    "infinity": (HEADER + "infra,-inf\n", "'-inf' is not finite"),
    "overflow": (HEADER + "infra,1e999\n", "'1e999' is not finite"),
    "zero": (HEADER + "infra,0\n", "'0' is zero"),
    "minus zero": (HEADER + "infra,-0.0\n", "'-0.0' is zero"),
    "underflow": (HEADER + "infra,1e-999\n", "is zero, or too small to be told from it"),
    "negative": (HEADER + "infra,-1\n", "'-1' is negative"),
    "unknown": (
        HEADER + "infra,1\nInfra,1\n",
        "row 3, column indicator_code: medical_digital 2020 has no indicator 'Infra'",
    ),
    "control characters": (HEADER + "\x1b[31minfra,1\n", r"no indicator '\x1b[31minfra'; is infra meant?"),
    "no code": (HEADER + ",1\n", "row 2, column indicator_code: it is empty"),
    "twice": (HEADER + "infra,1\nintra,1\ninfra,1\n", "row 3, column indicator_code"),
    "the same twice": (
        HEADER + "infra,1\ninfra,1\n",
        "row 3, column indicator_code: 'infra' is given twice, first in row 2",
    ),
    "another index": (
        "indicator_code,weight,index_code\ninfra,1,medical_digital\ninfra,1,x\n",
        "row 3, column index_code",
    ),
    "few fields": (HEADER + "infra\n", "row 2: it has 1 fields where the header has 2"),
    "many fields": (HEADER + "infra,1,2\n", "row 2: it has 3 fields where the header has 2"),
    "open quote": (HEADER + '"infra,1\n', "row 2: this is no row of a CSV file"),
    "after a quote": (HEADER + 'infra,1\n"a"b,1\n', "row 3: this is no row of a CSV file"),
    "a field of 200 KB": (HEADER + "x" * 200_000 + ",1\n", "row 2: this is no row of a CSV file"),
    "GB18030": ("indicator_code,weight\ninfra,1\n编码,1\n".encode("gb18030"), "row 3: this is not UTF-8"),
    "UTF-16": (HEADER.encode("utf-16"), "row 1: this is not UTF-8; save the file as CSV UTF-8"),
    "a workbook": (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x9f\xff\xfe", "this is not UTF-8"),
    "NUL": (HEADER + "infra\0,1\n", r"no indicator 'infra\x00'"),
    "huge": (b"x" * (17 << 20), "it is larger than 16 MB"),
    "several": (
        HEADER + "infra,x\ninfra,-1\nnowhere,0\n",
        "row 2, column weight: 'x' is not a number (and 2 more faults)",
    ),
}


@pytest.mark.parametrize("fault", WRONG_FILES)
def test_a_wrong_file_is_refused_in_one_line(published: Published, weights, fault: str) -> None:
    content, said = WRONG_FILES[fault]
    with pytest.raises(NothingPublishable) as refusal:
        ask(published.settings, weights(content), [])
    message = str(refusal.value)
    assert message.startswith(f"{weights(content)}: ")
    assert said in message
    assert message.isprintable() and len(message) < 400


RIGHT_FILES = {
    "plain": HEADER + "infra,1\nhospital,2\n",
    "with a mark": "\ufeff" + HEADER + "infra,1\nhospital,2\n",
    "other line ends": HEADER.replace("\n", "\r\n") + "infra,1\r\n\r\nhospital,2",
    "old line ends": (HEADER + "infra,1\nhospital,2\n").replace("\n", "\r"),
    "spaces and empty columns": " indicator_code , weight,,\n infra , 1 ,,\n,,,\nhospital,2,,\n",
    "quotes": '"indicator_code","weight"\n"infra","1"\n"hospital","2.0e0"\n',
    "full width": HEADER + "infra,１\nhospital,＋２．０\n",
    "empty optional columns": "index_code,indicator_code,weight,edition\n,infra,1,\n,hospital,2,\n",
}


@pytest.mark.parametrize("form", RIGHT_FILES)
def test_a_right_file_is_read_in_whatever_form(weights, form: str) -> None:
    file = read_weights(weights(RIGHT_FILES[form]))
    assert file.faults == []
    assert [(given.indicator_code, given.weight) for given in file.weights] == [("infra", 1.0), ("hospital", 2.0)]


# The command


def test_the_command_shows_both_rankings_and_touches_nothing(published: Published, weights, tmp_path: Path) -> None:
    before = {path: file_sha256(path) for path in published.home.rglob("*") if path.is_file()}
    file = weights("\ufeff" + HEADER + "infra,0.5\n")
    target = tmp_path / "ranking.csv"
    target.write_text("an older one", encoding="utf-8")
    arguments = ("--weights", str(file), "--exclude-indicator", "infra_platform_emr_collection", "--csv", str(target))
    done = city_index("whatif", *arguments, "--top", "3", home=published.home)
    assert done.returncode == 0, done.stderr
    assert {path: file_sha256(path) for path in published.home.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ranking.csv", "weights.csv"]
    statement = "What-if, not published: infra weighs 0.5, without infra_platform_emr_collection."
    assert done.stdout.count(statement) == 2
    assert "infra: 35.0% of its parent, now 43.5%" in done.stdout
    assert "北京" in done.stdout and "郑州" not in done.stdout and "The first 3 of 150 cities" in done.stdout
    assert "cities change their rank; furthest: " in done.stdout and "Spearman's rank correlation: 0.99" in done.stdout
    notices = rows(
        published.database, "select distinct notice_zh, notice_en from rpt_city_index where edition = '2020'"
    )[0]
    assert all(f"\n{notice}\n" in done.stdout for notice in notices)
    assert target.read_bytes().startswith(b"\xef\xbb\xbfindex_code,")
    with target.open(encoding="utf-8-sig", newline="") as stream:
        written = list(csv.DictReader(stream))
    assert len(written) == 150
    assert {(row["notice_zh"], row["notice_en"], row["whatif_notice"]) for row in written} == {(*notices, statement)}
    ranks = [int(row["new_rank"]) for row in written]
    assert ranks == sorted(ranks) and ranks[0] == 1
    for row in written:
        assert int(row["rank_change"]) == int(row["published_rank"]) - int(row["new_rank"])
    # The same to a pipe: the table gives way to the file's text, without a mark, and the rest goes to stderr.
    piped = city_index("whatif", *arguments[:4], "--csv", "-", home=published.home)
    assert piped.returncode == 0 and statement in piped.stderr and notices[1] in piped.stderr
    assert list(csv.DictReader(io.StringIO(piped.stdout))) == written


def test_a_city_that_loses_its_score_has_no_rank_and_comes_last(editions: EditionsHome, tmp_path: Path) -> None:
    """Wuhan was not observed in c; where a and b go, nothing is left of it."""
    done = city_index(
        *("whatif", "--index", "steady", "--edition", "9", "--csv", str(tmp_path / "x.csv")),
        *("--exclude-indicator", "p"),
        home=editions.home,
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "x.csv").open(encoding="utf-8-sig", newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    assert (last["city_code"], last["new_rank"], last["new_score"], last["rank_change"]) == ("wuhan", "", "", "")
    assert last["published_rank"] == "1"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        ([], 2, "name a file of weights with --weights, an indicator with --exclude-indicator, or both"),
        (["--weights", "nowhere.csv"], 2, "nowhere.csv: there is no such file"),
        (["--weights", "."], 2, ".: is a folder"),
        (["--weights", "x" * 300], 2, "cannot be read"),
        (["--weights", "a\nb.csv"], 2, r"a\nb.csv: there is no such file"),
        (["--exclude-indicator", "total"], 2, "total is the root of medical_digital 2020"),
        (["--exclude-indicator", "infr"], 2, "no indicator 'infr'; is infra meant?"),
        (["--exclude-indicator", "infra", "--top", "0"], 2, "--top"),
        (["--exclude-indicator", "infra", "--index", "x"], 2, "there is medical_digital (demo, 2020)"),
        (["--exclude-indicator", "infra", "--edition", "x"], 2, "there is medical_digital (demo, 2020)"),
        (["--exclude-indicator", "infra", "--csv", "nowhere/x.csv"], 2, "there is no folder"),
        (["--exclude-indicator", "infra", "--csv", "."], 2, "is no plain file"),
        (["--exclude-indicator", "infra", "--csv", "/dev/null"], 2, "is no plain file"),
        (["--exclude-indicator", "infra", "--csv", "{home}/published/csv/x.csv"], 2, "which the project keeps"),
        (["--exclude-indicator", "infra", "--csv", "{home}/releases/../published/city_index.duckdb"], 2, "keeps"),
        (["--exclude-indicator", "infra", "--csv", "{link}"], 2, "which the project keeps"),
        (["--weights", "{weights}", "--csv", "{weights}"], 2, "is the file of weights"),
        (["--weights", "{weights}"], 3, "row 2, column weight: 'x' is not a number"),
    ],
)
def test_wrong_usage_is_one_line(
    published: Published, weights, tmp_path: Path, arguments: list[str], exit_code: int, said: str
) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(published.home / "published" / "csv" / "rpt_city_index.csv")
    places = {"home": published.home, "link": link, "weights": weights(HEADER + "infra,x\n")}
    done = city_index("whatif", *(text.format(**places) for text in arguments), home=published.home)
    assert done.returncode == exit_code, done.stderr
    assert said in done.stderr
    assert done.stderr.startswith("city-index: ") and len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_where_nothing_is_published_it_says_so(tmp_path: Path) -> None:
    done = city_index("whatif", "--exclude-indicator", "infra", home=tmp_path)
    assert done.returncode == 3
    assert "nothing is published" in done.stderr and len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("damage", "said"), [("drop", "run `city-index run`"), ("cut", "run `city-index doctor`")])
def test_a_published_database_that_cannot_be_asked_is_one_line(
    published: Published, tmp_path: Path, damage: str, said: str
) -> None:
    home = copy_home(published.home, tmp_path / "home")
    database = home / "published" / "city_index.duckdb"
    if damage == "drop":
        with duckdb.connect(str(database)) as connection:
            connection.execute("alter table dim_editions drop column edition_ordinal")
    else:
        os.truncate(database, 5000)
    done = city_index("whatif", "--exclude-indicator", "infra", home=home)
    assert done.returncode == 1
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(tmp_path: Path) -> None:
    texts = ["=1+1", "＋1", " @x", "-1", "\tx", "plain", "a=b", None]
    with connect(paths=[tmp_path]) as connection:
        connection.execute("create table names (number int, text varchar)")
        connection.executemany("insert into names values (?, ?)", list(enumerate(texts)))
        copy_to_csv(connection, "names", "number", tmp_path / "names.csv")
    content = (tmp_path / "names.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    written = [row[1] for row in csv.reader(io.StringIO(content.decode("utf-8-sig")))][1:]
    assert written == ["'=1+1", "'＋1", "' @x", "'-1", "'\tx", "plain", "a=b", ""]
    assert [path.name for path in tmp_path.iterdir()] == ["names.csv"]
