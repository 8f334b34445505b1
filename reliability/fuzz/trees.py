"""Hostile frameworks: trees that are none, trees of every choice of method, and trees larger than any index.

What belongs here: making them, and saying from the documentation alone whether each is one tree that can be computed.
They come in through the landing door, as files.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reliability.fuzz.drawing import drawn
from reliability.fuzz.tally import ACCEPTED, REFUSED, Tally
from reliability.fuzz.worker import Worker

KIND = "framework trees"

Row = dict[str, str]

HEADER = (
    "index_code", "edition", "indicator_code", "parent_code", "name_zh", "name_en", "weight", "direction",
    "normalisation", "norm_low", "norm_high", "scale_low", "scale_high", "aggregation", "missing_policy",
    "min_coverage", "weight_status", "denominator", "imputation", "treatment", "treatment_limit", "random_seed",
)  # fmt: skip

ROOT = "total"

# A landing of this many small trees takes some seconds; one large tree, some more.
_TOGETHER = 40
_SECONDS = 90
_LARGE_SECONDS = 300

# The most memory that a landing may take: DuckDB's share, Python's libraries, and a tree of the most nodes allowed.
_MEMORY_BYTES = 2 << 30

# Accepted however it is written, or never.
_GOOD_WEIGHTS = ("1", "0.1", " 2 ", "1e299", "5e-324", "１", "3.0", "+4", "1e-300")
_BAD_WEIGHTS = (
    "0",
    "-1",
    "nan",
    "inf",
    "-inf",
    "1e300",
    "1e309",
    "",
    "x",
    "1_0",
    "-0.0",
    "1e-400",
    "0x1",
    "1,5",
    "½",
    "9" * 400,
)

_LEAF_ONLY = ("direction", "normalisation", "norm_low", "norm_high", "scale_low", "scale_high", "denominator",
              "imputation", "treatment", "treatment_limit")  # fmt: skip
_INNER_ONLY = ("aggregation", "missing_policy", "min_coverage")

NORMALISATIONS = ("", "score", "min_max", "goalposts", "log_goalposts", "z_score", "rank", "percentile_rank", "borda",
                  "fraction_of_max", "distance_to_target", "distance_to_reference")  # fmt: skip
_NEED_LOW = ("goalposts", "log_goalposts", "distance_to_reference")
_NEED_HIGH = ("goalposts", "log_goalposts", "distance_to_target")
TREATMENTS = ("", "none", "winsorise", "log")
NORMS = (("", ""), ("1", "9"), ("9", "1"), ("", "9"), ("1", ""), ("5", "5"), ("-1", "9"), ("0", "9"))
SCALES = (("", ""), ("0", "100"), ("1", "10"), ("10", "1"), ("7", "7"), ("", "0"), ("5", ""), ("200", ""))


def node(code: str, parent: str, weight: str = "1", **choices: str) -> Row:
    """A row of a framework, its index yet to be named."""
    return {
        "indicator_code": code,
        "parent_code": parent,
        "name_zh": "名",
        "name_en": "Name",
        "weight": weight,
        **choices,
    }


def is_sound(rows: list[Row]) -> bool:
    """Whether the rows are one tree that can be computed, as docs/landing.md and docs/method.md say it."""
    codes = [row["indicator_code"].strip() for row in rows]
    if len(set(codes)) != len(codes) or "" in codes or ROOT not in codes:
        return False
    children: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        children[row["parent_code"].strip()].append(row["indicator_code"].strip())
    if children[""] != [ROOT]:
        return False
    # Level by level from the root: whatever is not reached hangs on nothing, or on itself.
    level, depths = [ROOT], {}
    for depth in itertools.count():
        if not level:
            break
        depths.update(dict.fromkeys(level, depth))
        level = [child for code in level for child in children.get(code, ())]
    if set(depths) != set(codes):
        return False
    return all(_fits(row, depths[code], not children.get(code)) for code, row in zip(codes, rows, strict=True))


def _fits(row: Row, depth: int, is_leaf: bool) -> bool:
    if is_leaf != (depth == 3) or not 0 < _number(row["weight"]) < 1e300:
        return False
    if any(row.get(name) for name in (_INNER_ONLY if is_leaf else _LEAF_ONLY)):
        return False
    if row.get("random_seed") and depth:
        return False
    return not is_leaf or _leaf_fits(row)


def _leaf_fits(row: Row) -> bool:
    """Whether the choices of a leaf fit each other."""
    normalisation = row.get("normalisation") or "score"
    low, high = (_number(row.get(name, "")) for name in ("norm_low", "norm_high"))
    if (normalisation in _NEED_LOW and math.isnan(low)) or (normalisation in _NEED_HIGH and math.isnan(high)):
        return False
    if normalisation.endswith("goalposts") and not low < high:
        return False
    if normalisation == "log_goalposts" and low <= 0:
        return False
    scale = tuple(
        _number(row.get(name) or default)
        for name, default in (("scale_low", "0"), ("scale_high", "1" if normalisation == "z_score" else "100"))
    )
    if normalisation in ("score", "rank", "borda"):
        if scale != (0, 100):
            return False
    elif not (scale[1] > 0 if normalisation == "z_score" else scale[0] < scale[1]):
        return False
    treatment = row.get("treatment") or "none"
    if row.get("treatment_limit") and treatment != "winsorise":
        return False
    if treatment == "log" and (normalisation == "score" or normalisation in {*_NEED_LOW, *_NEED_HIGH}):
        return False
    return normalisation != "score" or row.get("denominator", "") in ("", "none")


def _number(text: str) -> float:
    """A number as a file gives it; NaN where it is none."""
    text = text.strip()
    if not text or "_" in text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def methods() -> Iterator[list[Row]]:
    """Trees of one leaf with every choice of normalisation, norms, scale, treatment and denominator."""
    for normalisation, norms, scale, treatment, denominator in itertools.product(
        NORMALISATIONS, NORMS, SCALES, TREATMENTS, ("", "population")
    ):
        leaf = node("t", "s", normalisation=normalisation, treatment=treatment, denominator=denominator)
        leaf |= dict(zip(("norm_low", "norm_high", "scale_low", "scale_high"), norms + scale, strict=True))
        yield [node(ROOT, ""), node("p", ROOT), node("s", "p"), leaf]


@st.composite
def trees(draw: st.DrawFn) -> list[Row]:
    """A sound tree, to which some faults are then done: none, one or several."""
    rows = [node(ROOT, "", draw(st.sampled_from(_GOOD_WEIGHTS)))]
    for p in range(draw(st.integers(1, 3))):
        rows.append(node(f"p{p}", ROOT, draw(st.sampled_from(_GOOD_WEIGHTS))))
        for s in range(draw(st.integers(1, 3))):
            rows.append(node(f"p{p}s{s}", f"p{p}", draw(st.sampled_from(_GOOD_WEIGHTS))))
            rows += [
                node(f"p{p}s{s}t{t}", f"p{p}s{s}", draw(st.sampled_from(_GOOD_WEIGHTS)))
                for t in range(draw(st.integers(1, 3)))
            ]
    for _ in range(draw(st.integers(0, 2))):
        _do_harm(draw, rows)
    return draw(st.permutations(rows)) if draw(st.booleans()) else rows


def _do_harm(draw: st.DrawFn, rows: list[Row]) -> None:
    codes = [row["indicator_code"] for row in rows]
    row = draw(st.sampled_from(rows))
    harm = draw(st.sampled_from(["parent", "no parent", "unknown parent", "itself", "gone", "twice", "deep", "weight",
                                 "choice", "code", "cycle", "case"]))  # fmt: skip
    if harm == "parent":
        row["parent_code"] = draw(st.sampled_from(codes))
    elif harm in ("no parent", "unknown parent"):
        row["parent_code"] = "" if harm == "no parent" else "nowhere"
    elif harm == "itself":
        row["parent_code"] = row["indicator_code"]
    elif harm == "gone" and len(rows) > 1:
        rows.remove(row)
    elif harm == "twice":
        rows.append({**row, "weight": "7"})
    elif harm == "deep":
        rows.append(node(f"below_{row['indicator_code']}", row["indicator_code"]))
    elif harm == "weight":
        row["weight"] = draw(st.sampled_from(_BAD_WEIGHTS))
    elif harm == "choice":
        row[draw(st.sampled_from([*_LEAF_ONLY, *_INNER_ONLY, "random_seed"]))] = draw(
            st.sampled_from(["1", "none", "mean", "score", "zero", "geometric", "population", "9"])
        )
    elif harm == "code":
        row["indicator_code"] = draw(st.sampled_from(["", " ", "total", "-x", "\u202ex", "x\u200b y", "a" * 300]))
    elif harm == "cycle":
        other = draw(st.sampled_from(rows))
        row["parent_code"], other["parent_code"] = other["indicator_code"], row["indicator_code"]
    elif harm == "case":
        row["parent_code"] = row["parent_code"].upper()


# Choices that stand in no rule about the tree: whether a value is one that is allowed at all.
_ALLOWED = {
    "direction": {"1", "-1"},
    "normalisation": set(NORMALISATIONS),
    "aggregation": {"arithmetic", "geometric", "harmonic"},
    "missing_policy": {"renormalise", "zero", "fail"},
    "imputation": {"none", "mean"},
    "treatment": {"none", "winsorise", "log"},
}


def _values_allowed(rows: list[Row]) -> bool:
    for row in rows:
        if any(row.get(name) and row[name] not in allowed for name, allowed in _ALLOWED.items()):
            return False
        if any(row.get(name) and math.isnan(_number(row[name])) for name in ("norm_low", "norm_high", "scale_low",
               "scale_high", "treatment_limit", "random_seed", "min_coverage")):  # fmt: skip
            return False
        if row.get("min_coverage") and not 0 <= _number(row["min_coverage"]) <= 1:
            return False
        code = row["indicator_code"]
        if len(code) > 200 or not code[:1].isalnum() or not code.isprintable():
            return False
    return True


def as_csv(rows: Iterable[Row], index_code: str) -> bytes:
    """A tree as a file of an index."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, HEADER, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({"index_code": index_code, "edition": "1", **row} for row in rows)
    return stream.getvalue().encode()


def large_trees(is_long: bool) -> Iterator[tuple[str, bytes, bool]]:
    """Trees beyond any index: what each is, its file, and whether it is sound."""
    deep, most, beyond = (10_000, 99_000, 1_000_000) if is_long else (500, 2_000, 100_100)
    yield f"{deep:,} levels", _lines((f"n{i}", f"n{i - 1}" if i else ROOT) for i in range(deep)), False
    yield f"a cycle of {deep:,}", _lines((f"n{i}", f"n{(i + 1) % deep}") for i in range(deep)), False
    yield f"{deep:,} levels from the leaf up", _lines((f"n{i}", f"n{i + 1}") for i in range(deep)), False
    yield (
        f"{deep:,} tails into a cycle",
        _lines((f"n{i}", f"n{i - 1}" if i else f"n{deep // 2}") for i in range(deep)),
        False,
    )
    yield f"{deep:,} parents of themselves", _lines((f"n{i}", f"n{i}") for i in range(deep)), False
    yield f"{deep:,} roots", _lines((f"n{i}", "") for i in range(deep)), False
    yield f"{deep:,} orphans", _lines((f"n{i}", f"gone{i}") for i in range(deep)), False
    yield f"one code {deep:,} times", _lines(("p", ROOT) for _ in range(deep)), False
    wide = [("p", ROOT), ("s", "p"), *((f"t{i}", "s") for i in range(most))]
    yield f"{most:,} siblings", _lines(wide), True
    chains = [pair for i in range(most // 3) for pair in ((f"p{i}", ROOT), (f"p{i}s", f"p{i}"), (f"p{i}t", f"p{i}s"))]
    yield f"{most // 3:,} branches", _lines(chains), True
    yield f"{beyond:,} nodes", _lines([("p", ROOT), ("s", "p"), *((f"t{i}", "s") for i in range(beyond))]), False
    if not is_long:
        return
    yield f"{beyond:,} nodes in a chain", _lines((f"n{i}", f"n{i - 1}" if i else ROOT) for i in range(beyond)), False


def _lines(nodes: Iterable[tuple[str, str]]) -> bytes:
    lines = ["index_code,edition,indicator_code,parent_code,name_zh,name_en,weight", f"large,1,{ROOT},,名,Name,1"]
    lines += [f"large,1,{code},{parent},名,Name,1" for code, parent in nodes]
    return "\n".join(lines).encode() + b"\n"


def try_trees(tally: Tally, folder: Path, cases: int, method_step: int, seed_number: int, is_long: bool) -> None:
    """Land so many random trees, every n-th choice of method, and the large ones.

    Args:
        tally: where they are counted.
        folder: a new folder, for the homes.
        cases: how many random trees.
        method_step: of the trees of ``methods`` one in so many is landed.
        seed_number: the same gives the same.
        is_long: whether the large trees are as large as they get.
    """
    given_trees: list[list[Row]] = []

    @drawn(cases, seed_number)
    @given(rows=trees())
    def keep(rows: list[Row]) -> None:
        given_trees.append(rows)

    keep()
    given_trees += itertools.islice(methods(), 0, None, method_step)
    with Worker() as worker:
        for start in range(0, len(given_trees), _TOGETHER):
            files = {
                f"tree{start + number}.csv": (
                    as_csv(rows, f"i{start + number}"),
                    is_sound(rows) and _values_allowed(rows),
                )
                for number, rows in enumerate(given_trees[start : start + _TOGETHER])
            }
            _land(tally, worker, folder / str(start), files, _SECONDS)
        for number, (what, content, sound) in enumerate(large_trees(is_long)):
            _land(tally, worker, folder / f"large{number}", {f"{what}.csv": (content, sound)}, _LARGE_SECONDS)
            tally.figures["large"] += 1


def _land(tally: Tally, worker: Worker, home: Path, files: dict[str, tuple[bytes, bool]], seconds: float) -> None:
    """Land files of one tree each, and see that each is taken or refused as a whole and as it should be."""
    landing = home / "landing" / "frameworks"
    landing.mkdir(parents=True)
    for name, (content, _sound) in files.items():
        (landing / name).write_bytes(content)
    answer = worker.ask("land", seconds, home=str(home))
    contents = {name: content for name, (content, _sound) in files.items()}
    if answer.said is None:
        tally.count("broken", len(files))
        tally.violate("no answer", answer.problem, sorted(files), contents)
        shutil.rmtree(home)
        return
    if answer.memory_bytes > _MEMORY_BYTES:
        tally.violate("too much memory", f"{answer.memory_bytes:,} bytes", sorted(files), contents)
        worker.end()
    fates = {record["file_name"]: record for record in answer.said["batches"]}
    by_name: Counter[str] = Counter(refused["name"] for refused in answer.said["refused"])
    for name, (content, sound) in files.items():
        record = fates.get(name)
        kept = {name: content}
        if record is None:
            tally.count("broken")
            tally.violate("a framework that was neither taken nor refused row by row", str(by_name), name, kept)
            continue
        accepted, quarantined = record["accepted_count"], record["quarantined_count"]
        rows = sum(1 for _row in csv.reader(io.StringIO(content.decode(), newline=""))) - 1
        tally.count(ACCEPTED if accepted else REFUSED)
        if accepted + quarantined != record["received_count"] or record["received_count"] != rows:
            tally.violate("a row was lost", str(record), name, kept)
        elif accepted and quarantined:
            tally.violate("a framework was taken in part", str(record), name, kept)
        elif bool(accepted) != sound:
            promised = "sound, and was refused" if sound else "not sound, and was accepted"
            tally.violate(f"a framework is {promised}", " ".join(answer.said["sentences"])[:2000], name, kept)
    shutil.rmtree(home)
