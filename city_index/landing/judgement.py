"""Judging rows: which rows of a staged file keep their contract, and what is wrong with the others.

Every rule is one SQL predicate over the whole file, so a file of millions of rows is judged in seconds. What belongs
here: rules about single rows and about keys within a file. What a framework must be as a whole is ``frameworks``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from city_index.contracts import ANY_LEAF, CITIES, GRADES, LABEL, LEAVES, STANDARDS, WEB_ADDRESS, Column, Contract
from city_index.database import identifier, quoted
from city_index.landing.staging import Staged

MALFORMED_ROW = "malformed row"
MISSING_KEY = "missing key"
MISSING_VALUE = "missing value"
NOT_A_NUMBER = "not a number"
NOT_FINITE = "not finite"
OUT_OF_RANGE = "out of range"
BAD_DATE = "bad date"
TEXT_TOO_LONG = "text too long"
BAD_CHARACTER = "bad character"
UNKNOWN_CODE = "unknown code"
UNKNOWN_CITY = "unknown city"
UNKNOWN_EDITION = "unknown edition"
SYNTHETIC_EDITION = "synthetic edition"
UNKNOWN_INDICATOR = "unknown indicator"
NOT_A_LEAF = "not a leaf"
UNKNOWN_STANDARD = "unknown standard"
UNKNOWN_GRADE = "unknown grade"
BAD_ADDRESS = "bad address"
AMBIGUOUS_KEY = "ambiguous key"
REPEATED_ROW = "repeated row"

# Reasons that lie not in the row but in what else has landed: such a row may be accepted later as it stands.
REASONS_OUTSIDE_THE_ROW = (UNKNOWN_CITY, UNKNOWN_EDITION, UNKNOWN_INDICATOR, NOT_A_LEAF, UNKNOWN_STANDARD)

# Numbers beyond this are not finite for us: their sums would not be.
FINITE_BELOW = 1e300

# White space of Latin and Chinese text, and marks without width.
_SPACES = " \t\n\r\u00a0\u3000\ufeff\u200b"
# U+2212 is the minus of word processors.
_FULL_WIDTH = "０１２３４５６７８９．－−＋ｅＥ"
_HALF_WIDTH = "0123456789.--+eE"
# Characters that text may not hold: control characters but tabs and line ends, and marks that turn its direction.
_CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]"
# A code is seen whole, is one word or several, and starts no formula.
_CODE = r"[\p{L}\p{N}_](?:[^\p{C}\p{Z}]| )*"

# A web address that a reader can follow; no other scheme, which might run something.
_WEB_ADDRESS = r"(?i)https?://[^\s/]\S*"

# What makes a text more than space.
_SEEN = r"[\p{L}\p{N}\p{P}\p{S}]"

# What a message never holds: a terminal would act on it.
_UNSEEN = r"[\p{C}\p{Zl}\p{Zp}]"

# How much of a value a message shows.
_SHOWN = 60


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong with a row.

    Attributes:
        predicate: SQL that is true where it is.
        reason: in few words, the same for the same fault.
        detail: SQL that gives the reason with column and value.
    """

    predicate: str
    reason: str
    detail: str


@dataclass(frozen=True)
class RuleGroup:
    """Rules that look at the same columns.

    Attributes:
        columns: all columns that the rules look at.
        joins: joins to the known codes that they need.
        rules: the rules.
        probe: SQL over the columns alone that is true wherever a rule can be broken; where it is empty the rules
            themselves are asked.
    """

    columns: tuple[str, ...]
    joins: tuple[str, ...]
    rules: tuple[Rule, ...]
    probe: str = ""


# Whether a column has few different values is told from its first rows.
_PROBED_ROWS = 200_000
_ROWS_PER_VALUE = 10


def define_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Define how text is read: ``clean_text``, ``as_number``, ``as_label``, ``as_day``; and ``shown`` for messages."""
    connection.execute(f"create or replace macro clean_text(x) as nullif(trim(x, {quoted(_SPACES)}), '')")
    # DuckDB also reads 1_000 as a number; nobody else does.
    connection.execute(
        "create or replace macro as_number(x) as case when not contains(x, '_') then coalesce(try_cast(x as double), "
        f"try_cast(translate(x, '{_FULL_WIDTH}', '{_HALF_WIDTH}') as double)) end"
    )
    # Years and grades come as numbers too; a grade also with its word.
    connection.execute(
        f"create or replace macro as_label(x) as regexp_replace(translate(x, '{_FULL_WIDTH}', '{_HALF_WIDTH}'), "
        r"'^(\d+)(\.0+)?\s*(级|年|年?版)?$', '\1')"
    )
    connection.execute(
        "create or replace macro as_day(x) as case when regexp_full_match(x, "
        r"'\d{4}([-/年])\d{1,2}[-/月]\d{1,2}日?( 00:00:00(\.0+)?)?') "
        "then try_cast(translate(split_part(x, ' ', 1), '/年月日', '---') as date) end"
    )
    connection.execute(
        "create or replace macro shown(x) as '''' || "
        f"regexp_replace(left(x, {_SHOWN}), {quoted(_UNSEEN)}, '?', 'g') || "
        f"case when length(x) > {_SHOWN} then '...' else '' end || ''''"
    )


def typed(column: Column, read: Callable[[str], str] = identifier) -> str:
    """SQL of a column's typed value; ``read`` gives that of its cleaned text, by default over the view ``cleaned``."""
    name = read(column.name)
    if column.data_type == "double":
        return f"as_number({name})"
    if column.data_type == "integer":
        # A cast would round what is no whole number.
        return f"case when as_number({name}) = floor(as_number({name})) then try_cast(as_number({name}) as integer) end"
    if column.data_type == "date":
        return f"as_day({name})"
    if column.also_read:
        spellings = " ".join(
            f"when {quoted(other.lower())} then {quoted(value)}" for other, value in _spellings(column)
        )
        return f"case lower({name}) {spellings} else {name} end"
    return f"as_label({name})" if column.form == LABEL else name


def _spellings(column: Column) -> list[tuple[str, str]]:
    return [*((value, value) for value in column.accepted_values or ()), *column.also_read]


def typed_columns(contract: Contract) -> str:
    """The select list of a contract's columns, typed, over the view ``cleaned``."""
    return ", ".join(f"{typed(column)} as {identifier(column.name)}" for column in contract.columns)


def row_key(contract: Contract, read: Callable[[str], str] = identifier) -> str:
    """SQL of a row's key as one text: its typed columns joined by slashes; a slash within one is written %2F."""
    parts = (
        f"replace(replace(coalesce(cast({typed(contract.column(name), read)} as varchar), {read(name)}, ''), "
        "'%', '%25'), '/', '%2F')"
        for name in contract.key
    )
    return f"concat_ws('/', {', '.join(parts)})"


def judge(connection: duckdb.DuckDBPyConnection, contract: Contract, staged: Staged) -> None:
    """Judge every row of a staged file.

    Makes the view ``cleaned`` (the rows as text without white space around it) and the table ``row_faults``
    (``row_number, ordinal, reason, detail``; one row per fault, the first fault of a row has the lowest ordinal). Reads
    ``known_cities`` and ``known_nodes``.

    Args:
        connection: where the macros are defined and the known codes stand.
        contract: of the file's kind.
        staged: the file.
    """
    cleaned = ", ".join(f"clean_text({identifier(name)}) as {identifier(name)}" for name in contract.names)
    connection.execute(f"create or replace temp view cleaned as select row_number, {cleaned} from ({staged.rows})")
    connection.execute(
        "create or replace temp table row_faults (row_number bigint, ordinal integer, reason varchar, detail varchar)"
    )
    groups = _rule_groups(contract)
    ordinals = {rule: ordinal for ordinal, rule in enumerate((r for group in groups for r in group.rules), start=1)}
    broken = [group for group in groups if _is_broken(connection, group)]
    if broken:
        # The predicates decide first, over all rows; only the rows they find are looked at for words.
        joins = " ".join(dict.fromkeys(join for group in broken for join in group.joins))
        rules = [rule for group in broken for rule in group.rules]
        any_fault = " or ".join(f"({rule.predicate})" for rule in rules)
        faults = ", ".join(
            f"case when {rule.predicate} then {{'ordinal': {ordinals[rule]}, 'reason': {quoted(rule.reason)}, "
            f"'detail': {rule.detail}}} end"
            for rule in rules
        )
        connection.execute(
            "insert into row_faults "
            "select row_number, fault.ordinal as ordinal, fault.reason as reason, fault.detail as detail from ("
            f" select row_number, unnest([{faults}]) as fault from cleaned {joins} where {any_fault}"
            ") where fault is not null"
        )
    _judge_keys(connection, contract, last_ordinal=len(ordinals))
    connection.execute(
        f"insert into row_faults select row_number, 0, {quoted(MALFORMED_ROW)}, detail from ({staged.malformed})"
    )


def _given(column: Column, words: str) -> str:
    """SQL of a message: column, value and what is wrong with it."""
    return f"{quoted(column.name + ' ')} || shown({identifier(column.name)}) || {quoted(' ' + words)}"


def _rules_of_column(contract: Contract, column: Column) -> list[Rule]:
    name = identifier(column.name)
    rules = []
    if not column.nullable:
        reason = MISSING_KEY if column.name in contract.key else MISSING_VALUE
        rules.append(Rule(f"{name} is null", reason, quoted(f"{column.name} is empty")))
    if column.is_number:
        rules += _rules_of_number(column)
    elif column.data_type == "date":
        wrong = f"{name} is not null and as_day({name}) is null"
        rules.append(Rule(wrong, BAD_DATE, _given(column, "is no day; write it as 2021-03-05")))
        if column.earliest is not None:
            # A day ahead is today somewhere.
            outside = f"not as_day({name}) between date {quoted(column.earliest)} and current_date + 1"
            what = f"does not lie between {column.earliest} and today"
            rules.append(Rule(outside, OUT_OF_RANGE, _given(column, what)))
    else:
        rules += _rules_of_text(column)
    return rules


def _rules_of_text(column: Column) -> list[Rule]:
    name = identifier(column.name)
    length = f"'{column.name} has ' || length({name}) || ' characters; {column.max_length} are allowed'"
    rules = [Rule(f"length({name}) > {column.max_length}", TEXT_TOO_LONG, length)]
    if column.is_code:
        what = "is no code; codes begin with a letter, a digit or _ and hold no character that cannot be seen"
        rules.append(Rule(f"not regexp_full_match({name}, {quoted(_CODE)})", BAD_CHARACTER, _given(column, what)))
    else:
        what = quoted(f"{column.name} holds a control character")
        rules.append(Rule(f"regexp_matches({name}, {quoted(_CONTROLS)})", BAD_CHARACTER, what))
        if not column.nullable:
            what = quoted(f"{column.name} holds no character that can be seen")
            rules.append(Rule(f"not regexp_matches({name}, {quoted(_SEEN)})", MISSING_VALUE, what))
    if column.accepted_values is not None:
        accepted = ", ".join(quoted(value) for value in column.accepted_values)
        what = f"is not one of: {', '.join(column.accepted_values)}"
        rules.append(Rule(f"{typed(column)} not in ({accepted})", UNKNOWN_CODE, _given(column, what)))
    if column.form == WEB_ADDRESS:
        what = "is no web address; write it as https://..."
        wrong = f"not regexp_full_match({name}, {quoted(_WEB_ADDRESS)})"
        rules.append(Rule(wrong, BAD_ADDRESS, _given(column, what)))
    return rules


def _rules_of_number(column: Column) -> list[Rule]:
    name = identifier(column.name)
    number = f"as_number({name})"
    finite = f"abs({number}) < {FINITE_BELOW}"
    rules = [
        Rule(f"{name} is not null and {number} is null", NOT_A_NUMBER, _given(column, "is not a number")),
        Rule(f"not ({finite})", NOT_FINITE, _given(column, "is not a finite number")),
    ]

    def add(wrong: str, reason: str, words: str) -> None:
        rules.append(Rule(f"{finite} and {number} {wrong}", reason, _given(column, words)))

    if column.data_type == "integer":
        add(f"<> floor({number})", NOT_A_NUMBER, "is not a whole number")
    if column.lowest is not None and column.highest is not None:
        bounds = f"{column.lowest}..{column.highest}"
        add(f"not between {column.lowest} and {column.highest}", OUT_OF_RANGE, f"does not lie in {bounds}")
    if column.above is not None:
        add(f"<= {column.above}", OUT_OF_RANGE, f"is not above {column.above}")
    if column.accepted_values is not None:
        accepted = ", ".join(str(value) for value in column.accepted_values)
        add(f"not in ({accepted})", UNKNOWN_CODE, f"is not one of: {accepted}")
    return rules


def _rule_groups(contract: Contract) -> list[RuleGroup]:
    """The rules of a contract in the order in which a row's reasons are given."""
    groups = [RuleGroup((column.name,), (), tuple(_rules_of_column(contract, column))) for column in contract.columns]
    for column in contract.columns:
        name = identifier(column.name)
        if column.refers_to == CITIES:
            unknown = Rule(
                f"cleaned.{name} is not null and known_city_code is null",
                UNKNOWN_CITY,
                _given(column, "is not known; land it in a cities file, then this row again"),
            )
            join = f"left join known_cities on cleaned.{name} = known_cities.known_city_code"
            groups.append(RuleGroup((column.name,), (join,), (unknown,)))
        elif column.refers_to == LEAVES:
            groups.append(RuleGroup(("index_code", "edition", column.name), _LEAF_JOINS, _leaf_rules(column)))
        elif column.refers_to == ANY_LEAF:
            unknown = Rule(
                f"cleaned.{name} is not null and known_leaf_code is null",
                UNKNOWN_INDICATOR,
                _given(column, "is no leaf of any framework"),
            )
            join = f"left join known_leaf_codes on cleaned.{name} = known_leaf_codes.known_leaf_code"
            groups.append(RuleGroup((column.name,), (join,), (unknown,)))
        elif column.refers_to == STANDARDS:
            groups.append(RuleGroup((column.name,), _STANDARD_JOINS, (_standard_rule(column),)))
        elif column.refers_to == GRADES:
            version = contract.column("standard_version")
            columns = ("standard_code", version.name, column.name)
            groups.append(RuleGroup(columns, _grade_joins(version), (_grade_rule(column, version),)))
    for column in contract.columns:
        if column.score_range is not None:
            number = f"as_number({identifier(column.name)})"
            low, high = column.score_range
            outside = f"abs({number}) < {FINITE_BELOW} and {number} not between {low} and {high}"
            rule = Rule(
                f"node_normalisation = 'score' and {outside}",
                OUT_OF_RANGE,
                _given(column, f"is no score; scores lie in {low}..{high}"),
            )
            groups.append(RuleGroup((column.name,), _LEAF_JOINS, (rule,), probe=outside))
    return groups


_LEAF_JOINS = (
    "left join known_editions on cleaned.index_code = known_editions.known_index_code"
    " and cleaned.edition = known_editions.known_edition",
    "left join known_nodes on cleaned.index_code = known_nodes.node_index_code"
    " and cleaned.edition = known_nodes.node_edition"
    " and cleaned.indicator_code = known_nodes.node_indicator_code",
)


def _leaf_rules(column: Column) -> tuple[Rule, ...]:
    edition = "'index ' || shown(index_code) || ' edition ' || shown(edition)"
    return (
        Rule(
            "cleaned.index_code is not null and cleaned.edition is not null and known_edition is null",
            UNKNOWN_EDITION,
            f"'there is no framework of ' || {edition} || '; land it in a frameworks file, then this row again'",
        ),
        Rule(
            f"known_edition is not null and cleaned.{identifier(column.name)} is not null "
            "and node_indicator_code is null",
            UNKNOWN_INDICATOR,
            f"{_given(column, 'is not in the framework of ')} || {edition}",
        ),
        Rule(
            "known_is_synthetic",
            SYNTHETIC_EDITION,
            f"{edition} || ' is a demonstration made from synthetic records alone; land the row in another edition'",
        ),
        Rule("node_is_leaf = false", NOT_A_LEAF, _given(column, "is computed from others; only leaves are observed")),
    )


_STANDARD_JOINS = ("left join known_standards on cleaned.standard_code = known_standards.known_standard_code",)


def _standard_rule(column: Column) -> Rule:
    known = "(select string_agg(known_standard_code, ', ' order by known_standard_code) from known_standards)"
    return Rule(
        f"cleaned.{identifier(column.name)} is not null and known_standard_code is null",
        UNKNOWN_STANDARD,
        f"{_given(column, 'is not known; standards are: ')} || {known}",
    )


def _grade_joins(version: Column) -> tuple[str, ...]:
    return (
        "left join known_grades on cleaned.standard_code = known_grades.graded_standard_code"
        f" and {typed(version, lambda name: f'cleaned.{identifier(name)}')} = known_grades.graded_standard_version",
    )


def _grade_rule(column: Column, version: Column) -> Rule:
    standard = f"shown(standard_code) || ' ' || shown({identifier(version.name)})"
    return Rule(
        # A version whose grades are not known joins nothing, and takes any grade.
        f"cleaned.{identifier(column.name)} is not null and grades is not null "
        f"and not list_contains(grades, {typed(column)})",
        UNKNOWN_GRADE,
        f"{_given(column, 'is no grade of ')} || {standard} || '; its grades are: ' || array_to_string(grades, ', ')",
    )


def _is_broken(connection: duckdb.DuckDBPyConnection, group: RuleGroup) -> bool:
    """Whether any row breaks a rule of a group.

    Columns of few different values, such as codes, are judged once per value: that is what makes large files quick.
    """
    columns = ", ".join(identifier(name) for name in group.columns)
    (values,) = connection.execute(
        f"select count(distinct hash({columns})) from (select {columns} from cleaned limit {_PROBED_ROWS})"
    ).fetchone()
    distinct = values < _PROBED_ROWS / _ROWS_PER_VALUE
    joins = "" if group.probe else " ".join(group.joins)
    predicate = group.probe or " or ".join(f"({rule.predicate})" for rule in group.rules)
    relation = "cleaned"
    if distinct:
        # A table of its own, for else the predicate would be pushed below the distinct and asked of every row.
        connection.execute(f"create or replace temp table given as select distinct {columns} from cleaned")
        relation = "given as cleaned"
    return bool(
        connection.execute(
            f"select count(*) from (select 1 from {relation} {joins} where {predicate} limit 1)"
        ).fetchone()[0]
    )


def _judge_keys(connection: duckdb.DuckDBPyConnection, contract: Contract, last_ordinal: int) -> None:
    """Find keys given more than once: with different values all their rows are refused, of equal rows all but one."""
    # Keys are compared as they are written: 2021/3/5 and 2021-03-05 are one day.
    read = {name: typed(contract.column(name)) for name in contract.key}
    typed_key = ", ".join(read.values())
    key = ", ".join(identifier(name) for name in contract.key)
    named_key = ", ".join(f"{value} as {identifier(name)}" for name, value in read.items())
    complete = " and ".join(f"{value} is not null" for value in read.values())
    # Hashes first: they are small, and nearly always all different. What they find is then compared itself.
    connection.execute(
        "create or replace temp table repeated_hashes as select key_hash from "
        f"(select hash({typed_key}) as key_hash from cleaned where {complete}) group by key_hash having count(*) > 1"
    )
    (found,) = connection.execute("select count(*) from repeated_hashes").fetchone()
    if not found:
        return
    content = ", ".join(
        # A number that reads as one is compared as a number: 5 and 5.0 are equal.
        f"coalesce(cast({typed(column)} as varchar), {identifier(column.name)})"
        for column in contract.columns
        if column.name not in contract.key
    )
    connection.execute(
        "create or replace temp table repeats as "
        f"select row_number, row_number in (select row_number from row_faults) as is_faulty, {named_key}, "
        f"list_value({content}) as content from cleaned "
        f"where {complete} and hash({typed_key}) in (select key_hash from repeated_hashes)"
    )
    connection.execute(
        f"""
        insert into row_faults
        with keyed as (
            select {key}, count(*) as row_count, count(distinct content) as content_count,
                array_to_string(list_sort(list(row_number))[1:5], ', ')
                || case when count(*) > 5 then ', ...' else '' end as row_numbers,
                coalesce(min(case when not is_faulty then row_number end), min(row_number)) as kept_row
            from repeats
            group by {key}
            having count(*) > 1
        )
        select repeats.row_number, {last_ordinal + 1},
            case when content_count > 1 then {quoted(AMBIGUOUS_KEY)} else {quoted(REPEATED_ROW)} end,
            case when content_count > 1
                then 'rows ' || row_numbers || ' give the same key different values; keep one of them'
                else 'row ' || kept_row || ' says the same' end
        from repeats
        inner join keyed using ({key})
        where content_count > 1 or repeats.row_number <> kept_row
        """
    )
