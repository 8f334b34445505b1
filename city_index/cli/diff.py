"""``city-index diff``: which scores and ranks moved between two releases, and why."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

from city_index.cli.parameters import NAME
from city_index.landing.door import shown
from city_index.settings import Settings

if TYPE_CHECKING:
    from city_index.comparison.choices import Choice
    from city_index.comparison.compare import CityMove, Comparison, EditionComparison, LeafEffect, Movement
    from city_index.comparison.sides import Side

# How many tertiaries of a city are named where the city is one of many.
_SHOWN_EFFECTS = 3
_SHOWN_REFUSALS = 3
# Points get more decimals than totals, so that small ones are seen.
_POINT_DECIMALS = 4
# What is left out of the data: where a file lies on this machine, and the open database.
_NOT_DATA = {"database", "connection"}


@click.command()
@click.argument("release_a", type=NAME, required=False)
@click.argument("release_b", type=NAME, required=False)
@click.option("--index", "index_code", type=NAME, metavar="CODE", help="Compare the editions of this index alone.")
@click.option("--edition", type=NAME, metavar="LABEL", help="Compare editions of this label alone.")
@click.option(
    "--city", type=NAME, metavar="CITY", help="One city by code or name, with the effects of all its tertiaries."
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many rows of each list to show."
)
@click.option("--json", "as_json", is_flag=True, help="Write all that moved to stdout as JSON instead.")
def diff(
    release_a: str | None,
    release_b: str | None,
    index_code: str | None,
    edition: str | None,
    city: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Which scores and ranks moved from RELEASE_A to RELEASE_B, and why.

    Without them: from the published release to the build that waits, or from the release before to the published one.
    With one: from that to the published one. Releases are named by their ids, their beginnings, or by the words
    published, previous and build.
    """
    from city_index.comparison.compare import compare

    settings = Settings.from_environment()
    with compare(settings, release_a, release_b, index_code, edition, city) as comparison:
        if as_json:
            _write_json(comparison)
        else:
            _print(comparison, limit)


def _say(text: str = "") -> None:
    click.echo(shown(text))


def _write_json(comparison: Comparison) -> None:
    """The whole as one JSON object, written city by city: there may be very many."""
    head = {name: value for name, value in _as_data(comparison).items() if name != "editions"}
    click.echo(_json(head)[:-1] + ', "editions": [', nl=False)
    for number, edition in enumerate(comparison.editions):
        click.echo(("," if number else "") + "\n" + _json(_as_data(edition))[:-1] + ', "cities": [', nl=False)
        for place, move in enumerate(comparison.moves(edition)):
            click.echo(("," if place else "") + "\n" + _json(_as_data(move)), nl=False)
        click.echo("]}", nl=False)
    click.echo("]}")


def _json(data: dict) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def _as_data(value: Any) -> Any:
    """Dataclasses as dictionaries; a number that JSON does not know as none."""
    if is_dataclass(value):
        return {each.name: _as_data(getattr(value, each.name)) for each in fields(value) if each.name not in _NOT_DATA}
    if isinstance(value, tuple):
        return [_as_data(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _print(comparison: Comparison, limit: int) -> None:
    _say(f"Before: {_side(comparison.before)}")
    _say(f"After:  {_side(comparison.after)}")
    for remark in comparison.remarks:
        _say(remark)
    for refusal in comparison.after.refusals[:_SHOWN_REFUSALS]:
        _say(f"{comparison.after.label} was refused: {refusal}")
    _print_origin(comparison, limit)
    for edition in comparison.editions:
        _say()
        _print_edition(comparison, edition, limit)


def _side(side: Side) -> str:
    standing = "published, " if side.is_published else ("waits, " if side.release_id is None else "")
    return f"{side.label}, {standing}built {side.built_at_utc}, code {side.code_version}"


def _print_origin(comparison: Comparison, limit: int) -> None:
    """What went in: code, inputs, batches and what they corrected."""
    before, after = comparison.before, comparison.after
    same = [
        f"{name} {'are' if name == 'inputs' else 'is'} {'the same' if is_same else 'not the same'}"
        for name, is_same in (
            ("code", before.code_version == after.code_version),
            ("inputs", before.input_hash == after.input_hash),
        )
    ]
    _say(f"The {' and the '.join(same)}.")
    _print_list(
        [
            f"{'new' if batch.has_come else 'no longer there'}: batch {batch.batch_id}, "
            f"{batch.kind}/{batch.file_name}: "
            f"{batch.accepted_count} of {batch.received_count} rows accepted, {batch.quarantined_count} quarantined"
            for batch in comparison.batches
        ],
        limit,
    )
    _print_list(
        [
            f"{'corrected' if each.has_come else 'no longer corrected'}: {each.field_count} fields of {each.kind}, "
            f"by batch {each.batch_id}, {each.file_name}"
            for each in comparison.corrections
        ],
        limit,
    )
    _print_list(
        [
            f"cluster of {each.name_zh} {each.name_en}: {each.before or 'none'} -> {each.after or 'none'}"
            for each in comparison.cluster_members
        ],
        limit,
    )


def _print_list(lines: list[str], limit: int, indent: str = "  ") -> None:
    for line in lines[:limit]:
        _say(indent + line)
    if len(lines) > limit:
        _say(f"{indent}and {len(lines) - limit} more; --limit {len(lines)} shows all")


def _print_edition(comparison: Comparison, edition: EditionComparison, limit: int) -> None:
    _say(f"{edition.title}, {edition}" + (" (synthetic records)" if edition.is_synthetic else ""))
    movement = edition.movement
    if movement is None:
        side = comparison.after if edition.is_after else comparison.before
        _say(f"  {'came' if edition.is_after else 'went'}: only {side.label} has this edition")
    else:
        _print_choices(edition, limit)
        _print_movement(edition, movement)
        _print_list(
            [
                f"cluster {each.cluster_code}: {_number(each.gdp_weighted_before, 4)} -> "
                f"{_number(each.gdp_weighted_after, 4)} weighted, {_number(each.mean_before, 4)} -> "
                f"{_number(each.mean_after, 4)} plain mean"
                for each in edition.clusters
            ],
            limit,
        )
        _print_cities(comparison, edition, movement, limit)
    if edition.publisher:
        _say(f"Assessment published by {edition.publisher}")
    for notice in edition.notices:
        _say(notice)


def _print_choices(edition: EditionComparison, limit: int) -> None:
    _print_list(
        [
            f"indicator {'came' if each.has_come else 'went'}: {each.indicator_code} {each.name_zh} {each.name_en} "
            f"(level {each.level})"
            for each in edition.indicators
        ],
        limit,
    )
    # An effective weight follows from the weights above it, which are named themselves.
    own = [choice for choice in edition.framework_choices if choice.column != "effective_weight"]
    followed = len(edition.framework_choices) - len(own)
    _print_list([_choice("framework", choice) for choice in own], limit)
    if followed:
        _say(f"  framework: the effective weights of {followed} indicators changed with them")
    _print_list([_choice("tiers", choice) for choice in edition.tier_choices], limit)
    _print_list([_choice("edition", choice) for choice in edition.edition_choices], limit)


def _choice(what: str, choice: Choice) -> str:
    subject = f"{choice.code}: " if choice.code is not None else ""
    return f"{what}: {subject}{choice.column} {choice.before or 'none'} -> {choice.after or 'none'}"


def _print_movement(edition: EditionComparison, movement: Movement) -> None:
    if not movement.moved_count:
        _say(f"  nothing moved: {movement.city_count_after} cities have the same totals and ranks")
        return
    cities = f"{movement.city_count_after} cities"
    if movement.came_count or movement.went_count:
        cities = (
            f"{movement.city_count_before} cities before, {movement.city_count_after} after: "
            f"{movement.came_count} came, {movement.went_count} went"
        )
    parts = [
        f"moved: totals {movement.score_moved_count}, ranks {movement.rank_moved_count}, "
        f"tiers {movement.tier_moved_count}"
    ]
    if movement.largest_score_change is not None:
        parts.append(f"furthest {_number(movement.largest_score_change, _POINT_DECIMALS, sign=True)} points")
    if movement.largest_rank_change is not None:
        parts.append(f"furthest {movement.largest_rank_change:+d} ranks")
    if movement.rank_correlation is not None:
        parts.append(f"Spearman's rank correlation {movement.rank_correlation:.4f}")
    _say(f"  {cities}; {', '.join(parts)}")
    if movement.entered_top or movement.left_top:
        _say(
            f"  first ten: in {', '.join(movement.entered_top) or 'nobody'}; "
            f"out {', '.join(movement.left_top) or 'nobody'}"
        )
    for cause in edition.causes:
        _say(
            f"  why: {cause.cause}: {cause.city_count} {'city' if cause.city_count == 1 else 'cities'}, "
            f"{_number(cause.absolute_points, _POINT_DECIMALS)} points together, "
            f"at most {_number(cause.largest_points, _POINT_DECIMALS, sign=True)}"
        )


def _print_cities(comparison: Comparison, edition: EditionComparison, movement: Movement, limit: int) -> None:
    is_focused = comparison.city_code is not None
    for move in comparison.moves(edition, limit):
        _say(f"  {_headline(edition, move)}")
        effects = [line for effect in move.effects for line in _effect_lines(effect)]
        further = 0 if is_focused else len(effects) - _SHOWN_EFFECTS
        for line in effects if further <= 0 else effects[:_SHOWN_EFFECTS]:
            _say(f"      {line}")
        if further > 0:
            sums = ", ".join(f"{each.cause} {_number(each.points, _POINT_DECIMALS, sign=True)}" for each in move.causes)
            _say(f"      and {further} more; all by cause: {sums}; --city {move.city_code} shows each")
        if is_focused and move.effects:
            total = math.fsum(effect.contribution_change for effect in move.effects)
            _say(f"      = {_number(total, _POINT_DECIMALS, sign=True)} points in all")
    if not is_focused and movement.moved_count > limit:
        _say(f"  {limit} of {movement.moved_count} cities; --limit {movement.moved_count} shows all")


def _headline(edition: EditionComparison, move: CityMove) -> str:
    name = f"{move.city_zh} {move.city_en} ({move.city_code})"
    decimals = edition.report_decimals + 1
    parts = [f"total {_pair(_number(move.total_before, decimals), _number(move.total_after, decimals))}"]
    if move.score_change is not None and move.is_score_moved:
        parts[0] += f" ({_number(move.score_change, _POINT_DECIMALS, sign=True)})"
    ranks = _pair(str(move.rank_before or "none"), str(move.rank_after or "none"))
    parts.append(f"rank {ranks}" + (f" ({move.rank_change:+d})" if move.rank_change else ""))
    if move.tier_before != move.tier_after:
        names = edition.tier_names or {}
        parts.append(
            "tier " + _pair(*(names.get(tier or "", tier) or "none" for tier in (move.tier_before, move.tier_after)))
        )
    if move.coverage_before != move.coverage_after:
        shares = [
            f"{share:.1%}" if share is not None else "none" for share in (move.coverage_before, move.coverage_after)
        ]
        parts.append(f"coverage {_pair(*shares)}")
    if move.provenance_before != move.provenance_after:
        parts.append(_pair(move.provenance_before or "none", move.provenance_after or "none"))
    return f"{name}: {', '.join(parts)}" + (f": {move.reason}" if move.reason else "")


def _effect_lines(effect: LeafEffect) -> list[str]:
    """What a tertiary did by its score and by its weight, a line each."""
    lines = []
    if effect.score_cause is not None:
        lines.append(
            f"{_number(effect.score_effect, _POINT_DECIMALS, sign=True)} {effect.score_cause}: "
            f"{effect.indicator_code} {effect.name_zh} {effect.name_en}, {_what_happened(effect)}"
        )
    if effect.weight_cause is not None:
        weights = _pair(
            *(
                f"{weight:.6g}" if weight is not None else "none"
                for weight in (effect.weight_before, effect.weight_after)
            )
        )
        share = " (shares)" if effect.contribution_method not in (None, "exact") else ""
        lines.append(
            f"{_number(effect.weight_effect, _POINT_DECIMALS, sign=True)} {effect.weight_cause}: "
            f"{effect.indicator_code} {effect.name_zh} {effect.name_en}, weight {weights}{share}"
        )
    if effect.note and lines:
        lines[-1] += f"; {effect.note}"
    return lines


def _what_happened(effect: LeafEffect) -> str:
    from city_index.comparison.effects import CORRECTION_UNDONE

    parts = []
    if effect.value_before != effect.value_after:
        parts.append(f"value {_pair(_plain(effect.value_before), _plain(effect.value_after))}")
    parts.append(f"score {_pair(_plain(effect.score_before), _plain(effect.score_after))}")
    if effect.provenance_before != effect.provenance_after:
        parts.append(_pair(effect.provenance_before or "none", effect.provenance_after or "none"))
    if effect.batch_id is not None:
        of = "taken back: batch" if effect.score_cause == CORRECTION_UNDONE else "by batch"
        parts.append(f"{of} {effect.batch_id}, {effect.file_name}")
    return ", ".join(parts)


def _pair(before: str, after: str) -> str:
    return before if before == after else f"{before} -> {after}"


def _plain(number: float | None) -> str:
    return "none" if number is None else f"{number:.6g}"


def _number(number: float | None, decimals: int, sign: bool = False) -> str:
    """A number with so many decimals; in digits and exponent where those would say nothing."""
    if number is None:
        return "none"
    form = f".{decimals}f" if number == 0 or 10.0**-decimals <= abs(number) < 1e12 else ".3g"
    return format(number, ("+" if sign else "") + form)
