"""The landing contracts: what a file of each kind holds.

They are written once, as dbt sources in ``models/staging/landed.yml``. What belongs here: reading them. Judging rows by
them is ``city_index.landing.judgement``'s, claims about them are the gates'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from city_index.settings import PROJECT_DIRECTORY

CONTRACT_FILE = Path("models") / "staging" / "landed.yml"

# The kinds in the order in which they are landed: each refers only to earlier ones.
KINDS = ("cities", "frameworks", "statistics", "observations", "hospitals", "evidence")

# What a column may refer to.
CITIES = "cities"
LEAVES = "leaves"
ANY_LEAF = "any_leaf"
STANDARDS = "standards"
GRADES = "grades"

# Forms of text that are read in more than one spelling, or that have to have one.
LABEL = "label"
WEB_ADDRESS = "web_address"


@dataclass(frozen=True)
class Column:
    """One column of a contract.

    Attributes:
        name: its header.
        data_type: string, double, integer or date.
        description: what it holds.
        required: whether the header must be there.
        nullable: whether a row may leave it empty.
        is_code: whether it begins with a letter, a digit or _ and holds no character that cannot be seen.
        max_length: of text, in characters.
        lowest: least number allowed, inclusive.
        highest: greatest number allowed, inclusive.
        above: a bound that a number must exceed.
        earliest: the first day allowed, as text; the last one is today.
        score_range: range, both ends inclusive, that applies to indicators normalised by ``score``.
        accepted_values: the only values allowed; None where any is.
        also_read: other spellings of accepted values, each with the value that it is read as; case does not matter.
        form: label, whose numbers are read without a point, full width or a word for grade; or web_address.
        refers_to: cities, leaves (of the row's edition), any_leaf (of any framework), standards or grades (of the row's
            standard and version), where the column holds one of their codes.
    """

    name: str
    data_type: str
    description: str
    required: bool
    nullable: bool
    is_code: bool = False
    max_length: int | None = None
    lowest: float | None = None
    highest: float | None = None
    above: float | None = None
    earliest: str | None = None
    score_range: tuple[float, float] | None = None
    accepted_values: tuple[Any, ...] | None = None
    also_read: tuple[tuple[str, str], ...] = ()
    form: str | None = None
    refers_to: str | None = None

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.data_type in ("double", "integer")


@dataclass(frozen=True)
class Contract:
    """What a file of one kind holds.

    Attributes:
        kind: one of KINDS.
        description: what a row is.
        key: the columns that identify a row.
        columns: all columns, in their order in raw/.
    """

    kind: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(column.name for column in self.columns)

    @property
    def required_names(self) -> tuple[str, ...]:
        """The names of the columns that a file must have."""
        return tuple(column.name for column in self.columns if column.required)

    def column(self, name: str) -> Column:
        """The column of a name."""
        return next(column for column in self.columns if column.name == name)


@cache
def _sources() -> dict[str, Any]:
    import yaml

    declared = yaml.safe_load((PROJECT_DIRECTORY / CONTRACT_FILE).read_text(encoding="utf-8"))
    return declared["sources"][0]


@cache
def contracts() -> dict[str, Contract]:
    """The contract of each kind, in the order of KINDS."""
    tables = {table["name"]: table for table in _sources()["tables"]}
    return {kind: _contract(tables[kind]) for kind in KINDS}


@cache
def project_variable(name: str) -> Any:
    """A variable of ``dbt_project.yml``, for what Python has to know as the models do."""
    import yaml

    return yaml.safe_load((PROJECT_DIRECTORY / "dbt_project.yml").read_text(encoding="utf-8"))["vars"][name]


@cache
def batch_columns() -> dict[str, str]:
    """The columns that every accepted row carries beside those of its kind, with their types."""
    return dict(_sources()["config"]["meta"]["batch_columns"])


def _contract(table: dict[str, Any]) -> Contract:
    columns = []
    for column in table["columns"]:
        meta = dict(column["config"]["meta"])
        for name in ("score_range", "accepted_values"):
            if name in meta:
                meta[name] = tuple(meta[name])
        if "also_read" in meta:
            meta["also_read"] = tuple((other, value) for value, others in meta["also_read"].items() for other in others)
        columns.append(
            Column(name=column["name"], data_type=column["data_type"], description=column["description"], **meta)
        )
    return Contract(
        kind=table["name"],
        description=table["description"],
        key=tuple(table["config"]["meta"]["key"]),
        columns=tuple(columns),
    )


def markdown_table(contract: Contract) -> str:
    """A contract as the table that ``docs/landing.md`` shows."""
    lines = ["| Column | Type | Holds | Rules |", "|---|---|---|---|"]
    for column in contract.columns:
        name = f"**{column.name}**" if column.name in contract.key else column.name
        lines.append(f"| {name} | {column.data_type} | {column.description} | {_rules_in_words(column)} |")
    return "\n".join(lines)


_FORMS_IN_WORDS = {
    LABEL: "`4`, `4.0`, `４` and `4级` are the same, as are `2018` and `2018版`",
    WEB_ADDRESS: "begins with `http://` or `https://` and holds no space",
}
_REFERENCES_IN_WORDS = {
    CITIES: "a known city",
    LEAVES: "a leaf of the edition's framework",
    ANY_LEAF: "a leaf of a known framework",
    STANDARDS: "a known standard",
    GRADES: "a grade of the standard's version, where that is known",
}


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _rules_in_words(column: Column) -> str:
    rules = ["column required" if column.required else "column optional"]
    if not column.nullable:
        rules.append("never empty")
    if column.is_code:
        rules.append("a code")
    if column.max_length is not None:
        rules.append(f"at most {column.max_length} characters")
    if column.lowest is not None:
        rules.append(f"{_plain(column.lowest)} to {_plain(column.highest)}")
    if column.above is not None:
        rules.append(f"above {column.above:g}")
    if column.earliest is not None:
        rules.append(f"from {column.earliest} to today")
    if column.score_range is not None:
        low, high = column.score_range
        rules.append(f"{low:g} to {high:g} where the indicator is normalised by score")
    if column.accepted_values is not None:
        rules.append("one of " + ", ".join(f"`{value}`" for value in column.accepted_values))
    if column.also_read:
        rules.append("also read: " + ", ".join(f"`{other}` as `{value}`" for other, value in column.also_read))
    if column.form is not None:
        rules.append(_FORMS_IN_WORDS[column.form])
    if column.refers_to is not None:
        rules.append(_REFERENCES_IN_WORDS[column.refers_to])
    return "; ".join(rules)
