"""What moved and why, city by city: the tables ``cities``, ``leaves`` and ``causes``.

What belongs here: how the change of a total is shared out over the tertiaries, and what each part is due to; all of it
set by set in SQL, over what both sides publish. What does not: reading the result.

The contributions of a city's tertiaries add up to its total, so their changes add up to its change. Each is split into
what its score did and what its realised weight did, weight = contribution / score, by the midpoint rule:

    score effect  = (weight before + weight after) / 2 * (score after - score before)
    weight effect = contribution after - contribution before - score effect

which is (score before + score after) / 2 * (weight after - weight before).
"""

from __future__ import annotations

import duckdb

from city_index.comparison.tables import Lacks
from city_index.database import quoted
from city_index.landing.frameworks import INNER_COLUMNS, LEAF_COLUMNS

# Two figures are the same where they differ by no more than arithmetic does; scores are ranked at nine decimals.
_SAME_SCORE = 1e-9
_SAME_WEIGHT = 1e-12

# The causes of a score effect.
CORRECTED = "corrected"
CORRECTION_UNDONE = "correction undone"
NEW_OBSERVATION = "new observation"
WITHDRAWN = "withdrawn"
VALUE_CHANGED = "value changed"
RECORDS_CHANGED = "records changed"
DENOMINATOR_CHANGED = "denominator changed"
METHOD = "method"
OTHER_CITIES = "other cities"
INDICATOR_CAME = "indicator came"
INDICATOR_WENT = "indicator went"
NOT_KNOWN = "not known"
# The causes of a weight effect; METHOD is one too.
TREE_CHANGED = "tree changed"
WEIGHT_CHANGED = "weight changed"
COVERAGE = "coverage"
SHARED_ANEW = "shared out anew"

# The normalisations under which a score depends on its own value alone.
_ABSOLUTE_NORMALISATIONS = ("score", "goalposts", "log_goalposts")

# How many scores of a side are compared at once.
_ROWS_AT_ONCE = 1_000_000

# A tree is no deeper than this; one that goes round in a circle ends here.
_DEEPEST = 8


def differ(column: str, before: str = "before", after: str = "after", tolerance: float = _SAME_WEIGHT) -> str:
    """SQL of whether two numbers differ by more than arithmetic does, or only one is there."""
    left, right = f"{before}.{column}", f"{after}.{column}"
    return numbers_differ(left, right, tolerance)


def numbers_differ(left: str, right: str, tolerance: float = _SAME_WEIGHT) -> str:
    """SQL of whether two numbers differ by more than arithmetic does, or only one is there."""
    return (
        f"(({left} is null) <> ({right} is null) "
        f"or coalesce(abs({right} - {left}) > {tolerance} * greatest(1, abs({left}), abs({right})), false))"
    )


def find_effects(connection: duckdb.DuckDBPyConnection, lacks: Lacks, is_same_code: bool) -> None:
    """Make the tables of what moved; the views of both sides are there.

    Args:
        connection: with the views ``before_…`` and ``after_…``.
        lacks: what cannot be compared.
        is_same_code: whether the same code made both sides.
    """
    _make_tree(connection)
    _make_cities(connection)
    _make_corrections(connection)
    _make_leaves(connection, lacks, is_same_code)
    connection.execute(
        """
        create table causes as
        select index_code, edition, place, city_code, cause, sum(points) as points
        from (
            select index_code, edition, place, city_code, score_cause as cause, score_effect as points
            from leaves
            where score_cause is not null
            union all
            select index_code, edition, place, city_code, weight_cause as cause, weight_effect as points
            from leaves
            where weight_cause is not null
        )
        group by all
        """
    )


def _make_tree(connection: duckdb.DuckDBPyConnection) -> None:
    """What happened to the tree: ``common_editions``, ``nodes``, ``paths`` and ``leaf_choices``."""
    connection.execute(
        "create table common_editions as select index_code, edition "
        "from before_dim_editions inner join after_dim_editions using (index_code, edition)"
    )
    choices = " or ".join(f"before.{column} is distinct from after.{column}" for column in INNER_COLUMNS)
    leaf_choices = " or ".join(f"before.{column} is distinct from after.{column}" for column in LEAF_COLUMNS)
    connection.execute(
        f"""
        create table nodes as
        with families as (
            select
                'before' as side, index_code, edition, parent_code,
                list(indicator_code order by indicator_code) as children
            from before_dim_indicators
            where parent_code is not null
            group by all
            union all
            select
                'after' as side, index_code, edition, parent_code,
                list(indicator_code order by indicator_code) as children
            from after_dim_indicators
            where parent_code is not null
            group by all
        ),
        changed_families as (
            select index_code, edition, parent_code
            from (select * from families where side = 'before') as before
            full join (select * from families where side = 'after') as after using (index_code, edition, parent_code)
            where before.children is distinct from after.children
        )
        select
            index_code,
            edition,
            indicator_code,
            before.parent_code as parent_before,
            after.parent_code as parent_after,
            before.level as level_before,
            after.level as level_after,
            coalesce(after.name_zh, before.name_zh, indicator_code) as name_zh,
            coalesce(after.name_en, before.name_en, indicator_code) as name_en,
            coalesce(after.normalisation, before.normalisation) as normalisation,
            before.indicator_code is not null as is_before,
            after.indicator_code is not null as is_after,
            coalesce({differ("weight")}, false) as is_weight_changed,
            coalesce({choices}, false) as are_choices_changed,
            coalesce({leaf_choices}, false) as are_leaf_choices_changed,
            changed_families.parent_code is not null as is_family_changed
        from before_dim_indicators as before
        full join after_dim_indicators as after using (index_code, edition, indicator_code)
        inner join common_editions using (index_code, edition)
        left join changed_families
            on index_code = changed_families.index_code and edition = changed_families.edition
            and coalesce(after.parent_code, before.parent_code) = changed_families.parent_code
        """
    )
    # From each tertiary of the side after up to the root: what happened to the nodes on the way and to their parents.
    connection.execute(
        f"""
        create table paths as
        with recursive steps as (
            select index_code, edition, indicator_code, indicator_code as node_code, 1 as depth
            from nodes where level_before = 3 or level_after = 3
            union all
            select
                steps.index_code, steps.edition, steps.indicator_code,
                coalesce(nodes.parent_after, nodes.parent_before) as node_code,
                steps.depth + 1 as depth
            from steps
            inner join nodes
                on steps.index_code = nodes.index_code and steps.edition = nodes.edition
                and steps.node_code = nodes.indicator_code
            where coalesce(nodes.parent_after, nodes.parent_before) is not null and steps.depth < {_DEEPEST}
        )
        select * from steps
        """
    )
    connection.execute(
        """
        create table leaf_choices as
        select
            paths.index_code,
            paths.edition,
            paths.indicator_code,
            bool_or(nodes.is_family_changed or nodes.parent_before is distinct from nodes.parent_after)
                as is_tree_changed,
            bool_or(nodes.is_weight_changed) as is_weight_changed,
            bool_or(nodes.are_choices_changed) as are_choices_changed
        from paths
        inner join nodes
            on paths.index_code = nodes.index_code and paths.edition = nodes.edition
            and paths.node_code = nodes.indicator_code
        group by all
        """
    )


def _make_cities(connection: duckdb.DuckDBPyConnection) -> None:
    """The cities of the editions of both sides, those that moved most first."""
    connection.execute(
        f"""
        create table cities as
        with compared as (
            select
                index_code,
                edition,
                city_code,
                before.city_code is not null as is_before,
                after.city_code is not null as is_after,
                before.total_score as total_before,
                after.total_score as total_after,
                after.total_score - before.total_score as score_change,
                before.total_rank as rank_before,
                after.total_rank as rank_after,
                before.total_rank - after.total_rank as rank_change,
                before.tier_code as tier_before,
                after.tier_code as tier_after,
                before.coverage_share as coverage_before,
                after.coverage_share as coverage_after,
                before.provenance as provenance_before,
                after.provenance as provenance_after,
                {differ("total_score", tolerance=_SAME_SCORE)} as is_score_moved,
                before.total_rank is distinct from after.total_rank as is_rank_moved,
                before.tier_code is distinct from after.tier_code as is_tier_moved,
                {differ("coverage_share")} or before.provenance is distinct from after.provenance as is_basis_moved
            from before_fct_city_scores as before
            full join after_fct_city_scores as after using (index_code, edition, city_code)
            inner join common_editions using (index_code, edition)
        ),
        judged as (
            select
                *,
                is_score_moved or is_rank_moved or is_tier_moved or is_basis_moved or not is_before or not is_after
                    as is_moved
            from compared
        )
        select
            judged.*,
            coalesce(after_names.name_zh, before_names.name_zh, judged.city_code) as city_zh,
            coalesce(after_names.name_en, before_names.name_en, judged.city_code) as city_en,
            row_number() over (
                partition by index_code, edition
                order by
                    is_moved desc,
                    is_score_moved desc,
                    abs(score_change) desc nulls last,
                    abs(rank_change) desc nulls last,
                    is_tier_moved or is_basis_moved desc,
                    judged.city_code
            ) as place
        from judged
        left join after_dim_cities as after_names on judged.city_code = after_names.city_code
        left join before_dim_cities as before_names on judged.city_code = before_names.city_code
        """
    )


def _make_corrections(connection: duckdb.DuckDBPyConnection) -> None:
    """The corrections that only one side knows: of each field where it began and where it ended."""
    for name, side, other in (("corrections", "after", "before"), ("undone_corrections", "before", "after")):
        connection.execute(
            f"""
            create table {name} as
            select
                corrections.kind, row_key, field_name, index_code, edition, city_code, indicator_code,
                arg_min(old_value, batches.batch_number) as old_value,
                arg_max(new_value, batches.batch_number) as new_value,
                arg_max(new_batch_id, batches.batch_number) as batch_id,
                arg_max(new_file_name, batches.batch_number) as file_name
            from {side}_fct_corrections as corrections
            inner join {side}_meta_batches as batches on corrections.new_batch_id = batches.batch_id
            where not exists (
                select 1 from {other}_meta_batches as others where others.batch_id = corrections.new_batch_id
            )
            group by all
            """
        )


def _make_leaves(connection: duckdb.DuckDBPyConnection, lacks: Lacks, is_same_code: bool) -> None:
    """The tertiaries of the cities that moved, some cities after the others, so that any number fits into memory."""
    (row_count,) = connection.execute(
        "select greatest((select count(*) from before_fct_indicator_scores), "
        "(select count(*) from after_fct_indicator_scores))"
    ).fetchone()
    part_count = 1 + row_count // _ROWS_AT_ONCE
    for part in range(part_count):
        of_part = f"hash(city_code) % {part_count} = {part}"
        _find_presence_changes(connection, of_part)
        query = _leaves(of_part, has_values=lacks.has("fct_indicator_values"), is_same_code=is_same_code)
        connection.execute(f"insert into leaves {query}" if part else f"create table leaves as {query}")


def _find_presence_changes(connection: duckdb.DuckDBPyConnection, of_part: str) -> None:
    """The tertiaries of cities beside or above whose way to the root the score of a node came or went: ``beside``."""
    connection.execute(
        f"""
        create or replace table beside as
        with before as (
            select * from before_fct_indicator_scores where {of_part}
        ),
        after as (
            select * from after_fct_indicator_scores where {of_part}
        ),
        changes as (
            select distinct index_code, edition, city_code, nodes.parent_after as parent_code
            from before
            inner join after using (index_code, edition, city_code, indicator_code)
            inner join nodes using (index_code, edition, indicator_code)
            where (before.score is null) <> (after.score is null) and nodes.parent_after is not null
        )
        select distinct changes.index_code, changes.edition, changes.city_code, paths.indicator_code
        from changes
        inner join paths
            on
                changes.index_code = paths.index_code
                and changes.edition = paths.edition
                and changes.parent_code = paths.node_code
        """
    )


def _leaves(of_part: str, has_values: bool, is_same_code: bool) -> str:
    """SQL of the tertiaries of some cities whose points moved, with what moved them and why."""
    absolute = ", ".join(quoted(each) for each in _ABSOLUTE_NORMALISATIONS)
    return f"""
        with before_leaves as (
            select * from before_fct_indicator_scores where level = 3 and {of_part}
        ),
        after_leaves as (
            select * from after_fct_indicator_scores where level = 3 and {of_part}
        ),
        before_values as (
            select * from before_fct_indicator_values where {of_part}
        ),
        after_values as (
            select * from after_fct_indicator_values where {of_part}
        ),
        compared as (
            select
                index_code,
                edition,
                city_code,
                indicator_code,
                before.score as score_before,
                after.score as score_after,
                coalesce(before.contribution, 0) as contribution_before,
                coalesce(after.contribution, 0) as contribution_after,
                before.contribution_method as method_before,
                after.contribution_method as method_after
            from before_leaves as before
            full join after_leaves as after using (index_code, edition, city_code, indicator_code)
            where before.score is distinct from after.score or before.contribution is distinct from after.contribution
        ),
        -- What a point of the score is worth. A score of 0 does not tell, and has that of the other side: the whole
        -- change is then the score's.
        weighed as (
            select
                compared.*,
                cities.place,
                case
                    when score_before is null then null
                    when score_before <> 0 then contribution_before / score_before
                    when score_after <> 0 then contribution_after / score_after
                end as weight_before,
                case
                    when score_after is null then null
                    when score_after <> 0 then contribution_after / score_after
                    when score_before <> 0 then contribution_before / score_before
                end as weight_after
            from compared
            inner join cities using (index_code, edition, city_code)
            where cities.total_before is not null and cities.total_after is not null
        ),
        split as (
            select
                *,
                contribution_after - contribution_before as contribution_change,
                case
                    when score_before is null or score_after is null then contribution_after - contribution_before
                    when score_before = score_after then 0
                    when not {numbers_differ("weight_before", "weight_after")}
                        then contribution_after - contribution_before
                    else (weight_before + weight_after) / 2 * (score_after - score_before)
                end as score_effect
            from weighed
        ),
        parted as (
            select
                *,
                contribution_change - score_effect as weight_effect
            from split
        ),
        -- What is left of arithmetic alone is no change.
        moved as (
            select * from parted
            where
                greatest(abs(score_effect), abs(weight_effect))
                > {_SAME_WEIGHT} * greatest(1, abs(contribution_before), abs(contribution_after))
        ),
        explained as (
            select
                moved.*,
                nodes.name_zh,
                nodes.name_en,
                before_values.observed_value as value_before,
                after_values.observed_value as value_after,
                before_values.provenance as provenance_before,
                after_values.provenance as provenance_after,
                before_values.divisor as divisor_before,
                after_values.divisor as divisor_after,
                corrections.batch_id as corrected_by,
                corrections.file_name as corrected_in,
                undone.batch_id as undone_batch,
                undone.file_name as undone_file,
                statistics.batch_id as divisor_batch,
                statistics.file_name as divisor_file,
                case
                    when not nodes.is_before or nodes.level_before <> 3 then {quoted(INDICATOR_CAME)}
                    when not nodes.is_after or nodes.level_after <> 3 then {quoted(INDICATOR_WENT)}
                    when not {_flag(has_values)} then {quoted(NOT_KNOWN)}
                    when before_values.observed_value is null and after_values.observed_value is not null
                        then {quoted(NEW_OBSERVATION)}
                    when before_values.observed_value is not null and after_values.observed_value is null
                        then {quoted(WITHDRAWN)}
                    when before_values.observed_value is distinct from after_values.observed_value
                        then case
                            when corrections.new_value = after_values.observed_value then {quoted(CORRECTED)}
                            when undone.new_value = before_values.observed_value then {quoted(CORRECTION_UNDONE)}
                            when
                                before_values.provenance is distinct from after_values.provenance
                                or before_values.rule_code is distinct from after_values.rule_code
                                then {quoted(VALUE_CHANGED)}
                            when after_values.provenance = 'derived' then {quoted(RECORDS_CHANGED)}
                            else {quoted(VALUE_CHANGED)}
                        end
                    when nodes.are_leaf_choices_changed then {quoted(METHOD)}
                    when before_values.divisor is distinct from after_values.divisor then {quoted(DENOMINATOR_CHANGED)}
                    when
                        nodes.normalisation in ({absolute})
                        and before_values.treated_value is not distinct from after_values.treated_value
                        then {quoted(METHOD)}
                    else {quoted(OTHER_CITIES)}
                end as cause_of_score,
                nodes.are_leaf_choices_changed,
                coalesce(before_values.is_imputed, false) or coalesce(after_values.is_imputed, false) as is_estimate,
                before_values.untreated_value is distinct from after_values.untreated_value as is_untreated_moved,
                before_values.treated_value is distinct from after_values.treated_value as is_treated_moved,
                case
                    when leaf_choices.is_tree_changed then {quoted(TREE_CHANGED)}
                    when leaf_choices.is_weight_changed then {quoted(WEIGHT_CHANGED)}
                    when leaf_choices.are_choices_changed then {quoted(METHOD)}
                    when method_before <> 'exact' or method_after <> 'exact' then {quoted(SHARED_ANEW)}
                    when beside.city_code is not null then {quoted(COVERAGE)}
                    when not {_flag(is_same_code)} then {quoted(METHOD)}
                    else {quoted(NOT_KNOWN)}
                end as cause_of_weight,
                beside.city_code is not null as is_coverage_moved
            from moved
            inner join nodes using (index_code, edition, indicator_code)
            left join leaf_choices using (index_code, edition, indicator_code)
            left join before_values using (index_code, edition, city_code, indicator_code)
            left join after_values using (index_code, edition, city_code, indicator_code)
            left join corrections
                on
                    corrections.kind = 'observations' and corrections.field_name = 'value'
                    and corrections.index_code = moved.index_code and corrections.edition = moved.edition
                    and corrections.city_code = moved.city_code
                    and corrections.indicator_code = moved.indicator_code
            left join undone_corrections as undone
                on
                    undone.kind = 'observations' and undone.field_name = 'value'
                    and undone.index_code = moved.index_code and undone.edition = moved.edition
                    and undone.city_code = moved.city_code and undone.indicator_code = moved.indicator_code
            left join beside using (index_code, edition, city_code, indicator_code)
            left join (
                select city_code, old_value, new_value, max(batch_id) as batch_id, max(file_name) as file_name
                from corrections
                where kind = 'statistics' and field_name = 'value'
                group by all
            ) as statistics
                on
                    statistics.city_code = moved.city_code
                    and statistics.old_value = before_values.divisor and statistics.new_value = after_values.divisor
        )
        select
            index_code,
            edition,
            place,
            city_code,
            indicator_code,
            name_zh,
            name_en,
            score_before,
            score_after,
            weight_before,
            weight_after,
            contribution_before,
            contribution_after,
            coalesce(method_after, method_before) as contribution_method,
            contribution_change,
            score_effect,
            case when score_effect <> 0 then cause_of_score end as score_cause,
            weight_effect,
            case when weight_effect <> 0 then cause_of_weight end as weight_cause,
            value_before,
            value_after,
            provenance_before,
            provenance_after,
            case
                when cause_of_score = {quoted(CORRECTED)} then corrected_by
                when cause_of_score = {quoted(CORRECTION_UNDONE)} then undone_batch
                when cause_of_score = {quoted(DENOMINATOR_CHANGED)} then divisor_batch
            end as batch_id,
            case
                when cause_of_score = {quoted(CORRECTED)} then corrected_in
                when cause_of_score = {quoted(CORRECTION_UNDONE)} then undone_file
                when cause_of_score = {quoted(DENOMINATOR_CHANGED)} then divisor_file
            end as file_name,
            nullif(
                concat_ws(
                    '; ',
                    case
                        when score_effect = 0 then null
                        when cause_of_score = {quoted(DENOMINATOR_CHANGED)}
                            then 'denominator ' || coalesce(divisor_before::varchar, 'none') || ' -> '
                                || coalesce(divisor_after::varchar, 'none')
                        when cause_of_score = {quoted(METHOD)} and not are_leaf_choices_changed
                            then 'computed otherwise by another version of the code'
                        when cause_of_score = {quoted(OTHER_CITIES)} and is_estimate and is_untreated_moved
                            then 'its estimate moved'
                        when cause_of_score = {quoted(OTHER_CITIES)} and is_treated_moved then 'its treatment moved'
                        when cause_of_score = {quoted(OTHER_CITIES)} then 'its scale moved'
                        when are_leaf_choices_changed and cause_of_score <> {quoted(METHOD)}
                            then 'its method changed too'
                    end,
                    case
                        when weight_effect <> 0 and is_coverage_moved and cause_of_weight <> {quoted(COVERAGE)}
                            then 'what is present beside it changed too'
                    end
                ),
                ''
            ) as note
        from explained
        """


def _flag(value: bool) -> str:
    return "true" if value else "false"
