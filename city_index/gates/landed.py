"""What the gates expect of landed batches: the contract of each kind as claims about a profile of what was written.

A batch may have millions of rows, more than Great Expectations holds. So SQL condenses each column of each batch, read
back from the file that is about to be committed, into one row: how many are missing, the smallest and largest value,
the longest text. The claims are about these, and cover every row. They do not share a line with the rules that judged
the rows, so that a fault in those is found here.
"""

from __future__ import annotations

from city_index.checks import CRITICAL
from city_index.contracts import Column, Contract, contracts
from city_index.database import identifier, quoted
from city_index.gates.suites import Batch, Claim

# The type in DuckDB of each type of a contract.
_TYPES = {"string": "VARCHAR", "double": "DOUBLE", "integer": "INTEGER", "date": "DATE"}


def landed_asset(kind: str) -> str:
    """How the checks name the accepted rows of a kind."""
    return f"raw/{kind}"


def landed_relation(kind: str) -> str:
    """The relation over which the profile of a kind is made: its rows, with ``batch_id``."""
    return f"landed_{kind}"


# What the profiles need beside the rows: one row per batch with its counts; one per kind and column with its type.
ACCOUNTS = "landed_accounts"
FOUND_TYPES = "landed_types"


def _number(value: float | None) -> str:
    return "null" if value is None else repr(float(value))


def _column_profile(contract: Contract, column: Column) -> str:
    name = identifier(column.name)
    is_text = column.data_type == "string"
    smallest, largest = (f"min({name})", f"max({name})") if column.is_number else ("null", "null")
    not_finite = f"count(*) filter (where not isfinite({name}))" if column.data_type == "double" else "0"
    unlisted = "0"
    if column.accepted_values is not None:
        listed = ", ".join(quoted(v) if is_text else str(v) for v in column.accepted_values)
        unlisted = f"count(*) filter (where {name} not in ({listed}))"
    missing = "0" if column.nullable else f"count(*) filter (where {name} is null)"
    return f"""
        select
            batch_id,
            {quoted(column.name)} as column_name,
            {missing} as missing_count,
            {not_finite} as not_finite_count,
            cast({smallest} as double) as smallest,
            cast({_number(column.lowest)} as double) as lowest,
            cast({_number(column.above)} as double) as above,
            cast({largest} as double) as largest,
            cast({_number(column.highest)} as double) as highest,
            cast({f"max(length({name}))" if is_text else "null"} as double) as longest,
            cast({_number(column.max_length)} as double) as max_length,
            {unlisted} as unlisted_count,
            (select data_type from {FOUND_TYPES} as types
             where types.kind = {quoted(contract.kind)} and types.column_name = {quoted(column.name)}) as found_type,
            {quoted(_TYPES[column.data_type])} as declared_type,
            cast(null as bigint) as received_count,
            cast(null as bigint) as accounted_count,
            cast(null as bigint) as repeated_key_count
        from {landed_relation(contract.kind)}
        group by batch_id
    """


def _batch_profile(contract: Contract) -> str:
    key = ", ".join(identifier(name) for name in contract.key)
    nulls = ", ".join(["null"] * 12)
    return f"""
        select
            accounts.batch_id,
            '(all rows)' as column_name,
            {nulls},
            any_value(accounts.received_count) as received_count,
            any_value(accounts.quarantined_count) + count(rows.batch_id) as accounted_count,
            count(rows.batch_id) - count(distinct case when rows.batch_id is not null then hash({key}) end)
                as repeated_key_count
        from {ACCOUNTS} as accounts
        left join {landed_relation(contract.kind)} as rows on accounts.batch_id = rows.batch_id
        where accounts.kind = {quoted(contract.kind)}
        group by accounts.batch_id
    """


def _claims(kind: str) -> tuple[Claim, ...]:
    def none_of(name: str, column: str, threshold: str) -> Claim:
        return Claim(
            f"landed_{kind}_{name}",
            "ExpectColumnValuesToBeBetween",
            {"column": column, "min_value": 0, "max_value": 0},
            CRITICAL,
            threshold,
        )

    def above(name: str, larger: str, smaller: str, or_equal: bool, threshold: str) -> Claim:
        return Claim(
            f"landed_{kind}_{name}",
            "ExpectColumnPairValuesAToBeGreaterThanB",
            {"column_A": larger, "column_B": smaller, "or_equal": or_equal, "ignore_row_if": "either_value_is_missing"},
            CRITICAL,
            threshold,
        )

    def equal(name: str, one: str, other: str, threshold: str) -> Claim:
        return Claim(
            f"landed_{kind}_{name}",
            "ExpectColumnPairValuesToBeEqual",
            {"column_A": one, "column_B": other, "ignore_row_if": "both_values_are_missing"},
            CRITICAL,
            threshold,
        )

    return (
        equal("lose_no_row", "accounted_count", "received_count", "accepted + quarantined = received"),
        equal("have_the_types_of_their_contract", "found_type", "declared_type", "the types of the contract"),
        none_of("miss_no_value", "missing_count", "a value wherever the contract asks for one"),
        none_of("are_finite", "not_finite_count", "finite numbers"),
        above("reach_their_lower_bounds", "smallest", "lowest", True, "no value below the contract's range"),
        above("exceed_their_open_bounds", "smallest", "above", False, "every value above the contract's open bound"),
        above("keep_to_their_upper_bounds", "highest", "largest", True, "no value above the contract's range"),
        above("keep_to_their_lengths", "max_length", "longest", True, "no text longer than the contract allows"),
        none_of("use_listed_values", "unlisted_count", "only values that the contract lists"),
        none_of("repeat_no_key", "repeated_key_count", "each key once in a batch"),
    )


LANDED_BATCHES: tuple[Batch, ...] = tuple(
    Batch(
        name=f"landed_{kind}",
        asset=landed_asset(kind),
        query=" union all ".join(
            [
                *(_column_profile(contract, column) for column in contract.columns),
                _batch_profile(contract),
            ]
        )
        + " order by 1, 2",
        identifiers=("batch_id", "column_name"),
        claims=_claims(kind),
        needs=landed_relation(kind),
    )
    for kind, contract in contracts().items()
)
