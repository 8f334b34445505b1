"""Judging frameworks: whether the rows of an index and edition are one tree that the warehouse can compute.

A framework is taken whole or refused whole, with every fault named. What belongs here: rules about the tree. Rules
about single rows are ``judgement``'s.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import duckdb

from city_index.contracts import Contract, project_variable
from city_index.database import identifier
from city_index.landing.judgement import define_macros, typed

ROOT = "total"

# A leaf stands this many levels below the root: tertiary, secondary, primary, total.
LEVELS_BELOW_ROOT = 3

# The norms that each normalisation cannot do without.
NORMS_NEEDED = {
    "goalposts": ("norm_low", "norm_high"),
    "log_goalposts": ("norm_low", "norm_high"),
    "distance_to_target": ("norm_high",),
    "distance_to_reference": ("norm_low",),
}

# These need values in the unit of their norms or scale.
_NOT_AFTER_LOGARITHMS = ("score", *NORMS_NEEDED)

# These give no place on a scale.
_WITHOUT_SCALE = ("rank", "borda")

LEAF_COLUMNS = (
    "direction",
    "normalisation",
    "norm_low",
    "norm_high",
    "scale_low",
    "scale_high",
    "denominator",
    "imputation",
    "treatment",
    "treatment_limit",
)
INNER_COLUMNS = ("aggregation", "missing_policy", "min_coverage")

ROOT_COLUMNS = ("random_seed",)

# The columns that make the method; a name may be mended in a framework that is in use, these may not.
METHOD_COLUMNS = ("parent_code", "weight", "weight_status", *LEAF_COLUMNS, *INNER_COLUMNS, *ROOT_COLUMNS)

BAD_TREE = "bad tree"
FRAMEWORK_IN_USE = "framework in use"
REFUSED_WITH_THE_REST = "framework refused"

# A framework larger than this is none; its tree is checked in memory.
MAX_NODES = 100_000

_FIRST_ORDINAL = 1000
_SHOWN_FAULTS = 2000

_DEFAULTS = {
    "direction": 1,
    "normalisation": "score",
    "imputation": "none",
    "treatment": "none",
    "denominator": "none",
    "min_coverage": 0.0,
    "aggregation": "arithmetic",
    "missing_policy": "renormalise",
    "weight_status": "assumed",
}


@dataclass(frozen=True)
class TreeFault:
    """A fault of a tree: the row it is named at, what kind it is, and the fault in words."""

    row_number: int
    reason: str
    detail: str


Node = dict[str, Any]


def judge_frameworks(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Add the faults of the trees of a staged framework file to ``row_faults``; one fault refuses every row.

    Reads ``cleaned``, ``known_frameworks`` (the current trees) and ``used_editions`` (those with observations).
    """
    (count,) = connection.execute("select count(*) from cleaned").fetchone()
    faults: list[TreeFault] = []
    if count > MAX_NODES:
        (first,) = connection.execute("select min(row_number) from cleaned").fetchone()
        faults.append(TreeFault(first, BAD_TREE, f"the file has {count:,} nodes; {MAX_NODES:,} are allowed"))
    else:
        trees: dict[tuple[str, str], list[Node]] = defaultdict(list)
        for node in _fetch(connection, contract, "cleaned", ("row_number",)):
            if node["index_code"] and node["edition"] and node["indicator_code"]:
                trees[node["index_code"], node["edition"]].append(node)
        used = _used_trees(connection, contract, set(trees))
        for (index_code, edition), nodes in trees.items():
            where = f"index {index_code} edition {edition}"
            for fault in tree_faults(nodes):
                faults.append(TreeFault(fault.row_number, fault.reason, f"{where}: {fault.detail}"))
            if (index_code, edition) in used:
                faults += _changes_of_a_used_tree(index_code, edition, used[index_code, edition], nodes)
    if faults:
        connection.execute(
            "insert into row_faults select unnest(?), unnest(?), unnest(?), unnest(?)",
            [
                [fault.row_number for fault in faults],
                [_FIRST_ORDINAL + number for number in range(len(faults))],
                [fault.reason for fault in faults],
                [fault.detail for fault in faults],
            ],
        )
    _refuse_the_rest(connection)


def seed_tree_faults(connection: duckdb.DuckDBPyConnection, contract: Contract) -> list[TreeFault]:
    """The faults of the trees of the shipped frameworks, in the words that a landed file is refused with.

    Args:
        connection: has the seed ``frameworks`` as text, with ``file_row``.
        contract: of the frameworks.
    """
    define_macros(connection)
    columns = (typed(column, lambda name: f"clean_text({identifier(name)})") for column in contract.columns)
    rows = connection.execute(f"select file_row, {', '.join(columns)} from frameworks order by file_row").fetchall()
    trees: dict[tuple[str, str], list[Node]] = defaultdict(list)
    for row in rows:
        node = dict(zip(("row_number", *contract.names), row, strict=True))
        trees[node["index_code"], node["edition"]].append(node)
    return [fault for nodes in trees.values() for fault in tree_faults(nodes)]


def _refuse_the_rest(connection: duckdb.DuckDBPyConnection) -> None:
    """Where any row has a fault, refuse the others with it, naming all faults."""
    found = connection.execute(
        "select row_number, detail from row_faults order by row_number, ordinal limit 200"
    ).fetchall()
    if not found:
        return
    (count,) = connection.execute("select count(*) from row_faults").fetchone()
    said = "; ".join(f"row {row_number}: {detail}" for row_number, detail in found)
    if len(said) > _SHOWN_FAULTS:
        said = said[:_SHOWN_FAULTS] + " ..."
    connection.execute(
        "insert into row_faults select row_number, ?, ?, ? from cleaned "
        "where row_number not in (select row_number from row_faults)",
        [
            _FIRST_ORDINAL * 1_000_000,
            REFUSED_WITH_THE_REST,
            f"a framework is taken whole, and this file has {count} fault{'s' if count > 1 else ''}: {said}",
        ],
    )


def _fetch(
    connection: duckdb.DuckDBPyConnection, contract: Contract, relation: str, extra: tuple[str, ...] = ()
) -> list[Node]:
    names = [*extra, *contract.names]
    columns = [*extra, *(typed(column) for column in contract.columns)]
    rows = connection.execute(f"select {', '.join(columns)} from {relation} order by all").fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def tree_faults(nodes: list[Node]) -> list[TreeFault]:
    """Everything that keeps the nodes of one index and edition from being one tree that can be computed.

    Args:
        nodes: typed rows with ``row_number``; codes are given. A code given twice is left to the rules about keys.

    Returns:
        the faults, each at the row it is named at; empty where the tree is sound.
    """
    faults: list[TreeFault] = []
    by_code = {node["indicator_code"]: node for node in nodes}
    children: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        if node["parent_code"]:
            children[node["parent_code"]].append(node)

    def add(node: Node, detail: str) -> None:
        faults.append(TreeFault(node["row_number"], BAD_TREE, detail))

    roots = [node for node in nodes if not node["parent_code"]]
    if not roots:
        add(nodes[0], f"there is no root; one row is {ROOT} with an empty parent_code")
    for node in roots:
        if node["indicator_code"] != ROOT:
            add(node, f"{node['indicator_code']} has no parent; only the root, {ROOT}, has none")
    for node in nodes:
        if node["indicator_code"] == ROOT and node["parent_code"]:
            add(node, f"the root {ROOT} has the parent {node['parent_code']}; leave it empty")
        elif node["parent_code"] and node["parent_code"] not in by_code:
            add(node, f"{node['indicator_code']} has the unknown parent {node['parent_code']}")
    depths, in_cycle = _depths(by_code)
    for node in nodes:
        code = node["indicator_code"]
        is_leaf = code not in children
        if code in in_cycle:
            add(node, f"{code} is its own ancestor")
        elif is_leaf and depths.get(code) not in (None, LEVELS_BELOW_ROOT):
            add(
                node,
                f"{code} is a leaf {depths[code]} level{'s' if depths[code] != 1 else ''} below the root; leaves stand "
                f"{LEVELS_BELOW_ROOT} below it (a shorter branch repeats a node as its own single child)",
            )
        elif not is_leaf and (depths.get(code) or 0) >= LEVELS_BELOW_ROOT:
            add(node, f"{code} stands {depths[code]} levels below the root and has children; the tree is too deep")
        for name in INNER_COLUMNS if is_leaf else LEAF_COLUMNS:
            if node[name] is not None:
                add(node, f"{code} is {'a leaf' if is_leaf else 'no leaf'} and gives {name}; leave it empty")
        for name in ROOT_COLUMNS if node["parent_code"] else ():
            if node[name] is not None:
                add(node, f"{code} is not the root and gives {name}; leave it empty")
        if is_leaf:
            _check_norms(node, add)
            _check_scale(node, add)
            _check_preparation(node, add)
    return faults


def _check_norms(node: Node, add) -> None:
    code, normalisation = node["indicator_code"], node["normalisation"] or _DEFAULTS["normalisation"]
    for name in NORMS_NEEDED.get(normalisation, ()):
        if node[name] is None:
            add(node, f"{code} is normalised by {normalisation} and lacks {name}")
    low, high = node["norm_low"], node["norm_high"]
    if normalisation in ("goalposts", "log_goalposts") and low is not None and high is not None:
        if not low < high:
            add(node, f"{code} has norm_low {low:g} not below norm_high {high:g}")
        elif normalisation == "log_goalposts" and low <= 0:
            add(node, f"{code} has norm_low {low:g}; logarithms need it above 0")


def _scale(node: Node) -> tuple[float, float]:
    """Both ends of a leaf's scale, defaults filled in; of a z-score its mean and standard deviation."""
    default_high = 1.0 if node["normalisation"] == "z_score" else 100.0
    low, high = node["scale_low"], node["scale_high"]
    return (0.0 if low is None else low, default_high if high is None else high)


def _check_scale(node: Node, add) -> None:
    code, normalisation = node["indicator_code"], node["normalisation"] or _DEFAULTS["normalisation"]
    low, high = _scale(node)
    if normalisation in _WITHOUT_SCALE:
        if (low, high) != (0.0, 100.0):
            add(node, f"{code} is normalised by {normalisation}, which has no scale; leave its scale empty")
    elif normalisation == "score":
        if (low, high) != (0.0, 100.0):
            add(node, f"{code} is normalised by score, whose scale is 0..100; leave its scale empty")
    elif normalisation == "z_score":
        if not high > 0:
            add(node, f"{code} has scale_high {high:g}; the standard deviation of a z_score lies above 0")
    elif not low < high:
        add(node, f"{code} has scale_low {low:g} not below scale_high {high:g}")


def _check_preparation(node: Node, add) -> None:
    """Whether what is done to a value before it is normalised fits how it is normalised."""
    code, normalisation = node["indicator_code"], node["normalisation"] or _DEFAULTS["normalisation"]
    if node["treatment_limit"] is not None and node["treatment"] != "winsorise":
        add(node, f"{code} gives treatment_limit and is not treated by winsorise; leave it empty")
    if node["treatment"] == "log" and normalisation in _NOT_AFTER_LOGARITHMS:
        add(
            node,
            f"{code} is treated by log and normalised by {normalisation}, which needs the value in its own unit; "
            "leave the treatment empty"
            + (", or normalise it by log_goalposts" if normalisation.endswith("goalposts") else ""),
        )
    if node["denominator"] not in (None, _DEFAULTS["denominator"]) and normalisation == "score":
        add(node, f"{code} is normalised by score and gives denominator; a score is not divided, leave it empty")


def _depths(by_code: dict[str, Node]) -> tuple[dict[str, int | None], set[str]]:
    """How far each node stands below a root (None below an unknown parent), and the nodes on a cycle."""
    depths: dict[str, int | None] = {}
    in_cycle: set[str] = set()
    for start in by_code:
        path: list[str] = []
        places: dict[str, int] = {}
        code = start
        while code not in depths and code not in places:
            places[code] = len(path)
            path.append(code)
            parent = by_code[code]["parent_code"]
            if not parent:
                depths[code] = 0
                path.pop()
                break
            if parent not in by_code:
                depths[code] = None
                path.pop()
                code = parent
                break
            code = parent
        if code in places and code not in depths:
            in_cycle.update(path[places[code] :])
            for member in path:
                depths[member] = None
            continue
        depth = depths.get(code)
        for member in reversed(path):
            depth = None if depth is None else depth + 1
            depths[member] = depth
    return depths, in_cycle


def _used_trees(
    connection: duckdb.DuckDBPyConnection, contract: Contract, wanted: set[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, Node]]:
    """The current trees, by code, of those of the given editions that have observations."""
    used = set(connection.execute("select distinct index_code, edition from used_editions").fetchall())
    trees: dict[tuple[str, str], dict[str, Node]] = defaultdict(dict)
    if used & wanted:
        for node in _fetch(connection, contract, "known_frameworks"):
            edition = (node["index_code"], node["edition"])
            if edition in used & wanted:
                trees[edition][node["indicator_code"]] = node
    return trees


def _changes_of_a_used_tree(
    index_code: str, edition: str, current: dict[str, Node], nodes: list[Node]
) -> list[TreeFault]:
    """What a file would change of the method of a framework that observations already rest on."""
    given = {node["indicator_code"]: node for node in nodes}
    first = nodes[0]["row_number"]
    changes = [(first, f"{code} is gone") for code in current if code not in given]
    for code, node in given.items():
        before = current.get(code)
        if before is None:
            changes.append((node["row_number"], f"{code} is new"))
            continue
        changed = [name for name in METHOD_COLUMNS if _effective(before, name) != _effective(node, name)]
        changes += [
            (node["row_number"], f"{code} has {name} {_said(node[name])} instead of {_said(before[name])}")
            for name in changed
        ]
    advice = f"index {index_code} edition {edition} is in use; land a changed tree as a new edition"
    return [TreeFault(row_number, FRAMEWORK_IN_USE, f"{change}: {advice}") for row_number, change in changes]


def _effective(node: Node, name: str) -> Any:
    if name in ("scale_low", "scale_high"):
        return _scale(node)[name == "scale_high"]
    value = node[name]
    if name == "random_seed" and value is None and not node["parent_code"]:
        return project_variable("default_random_seed")
    if name == "treatment_limit" and value is None and node["treatment"] == "winsorise":
        return project_variable("default_treatment_limit")
    return _DEFAULTS.get(name) if value is None else value


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{value:g}" if isinstance(value, float) else str(value)
