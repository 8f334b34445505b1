"""How sure each rank is: the ranks of every city in thousands of worlds with other weights and methods.

In Python because a world is a column of a matrix: the draws of all worlds are multiplied with the scores of all cities
at once, which SQL would have to write out as a row for each draw, city and node. The arithmetic stands in
``city_index.worlds``; this model hands it the rows of the warehouse. Everything random comes from the seed of the
edition, and results do not depend on batches or threads, so two builds agree to the last digit.
"""

from city_index.earlier import FINGERPRINT, earlier_rows
from city_index.frames import table_of
from city_index.worlds.editions import rank_rows, read_editions
from city_index.worlds.reuse import rows_of_editions

COLUMNS = {
    "index_code": "str",
    "edition": "str",
    "scenario": "str",
    "indicator_code": "str",
    "city_code": "str",
    "rank": "int64",
    "rank_p05": "float64",
    "rank_p50": "float64",
    "rank_p95": "float64",
    "top10_share": "float64",
    "own_tier_share": "float64",
    "above_next_share": "float64",
    "next_city_code": "str",
    "ranked_draw_count": "int64",
    "draw_count": "int64",
    "random_seed": "int64",
    FINGERPRINT: "str",
}


def model(dbt, session):
    """One row for each scenario, city and node at the two uppermost levels that has a published rank."""
    draw_count = int(dbt.config.meta_get("draw_count"))
    editions = read_editions(
        settings=dbt.ref("int_edition_settings"),
        nodes=dbt.ref("int_scenario_indicators"),
        scores=dbt.ref("int_tertiary_scores"),
        alternatives=dbt.ref("int_alternative_scores"),
        ranks=dbt.ref("int_upper_ranks"),
        tiers=dbt.ref("int_city_tiers"),
    )
    with earlier_rows(dbt, session) as earlier:
        rows = rows_of_editions(
            editions,
            lambda edition: rank_rows(edition, draw_count),
            parameters=[draw_count],
            types=COLUMNS,
            earlier=earlier,
        )
    return table_of(rows, COLUMNS, session)
