"""Which choice moves the ranks: variance-based sensitivity of every edition to its weights and methods.

In Python for the same reason as int_rank_worlds, and because the indices need as many worlds as their intervals ask
for. The arithmetic stands in ``city_index.worlds``.
"""

from city_index.earlier import FINGERPRINT, earlier_rows
from city_index.frames import table_of
from city_index.worlds.editions import read_editions, sensitivity_rows
from city_index.worlds.reuse import rows_of_editions

COLUMNS = {
    "index_code": "str",
    "edition": "str",
    "factor": "str",
    "indicator_code": "str",
    "can_vary": "bool",
    "first_order": "float64",
    "first_order_low": "float64",
    "first_order_high": "float64",
    "total_effect": "float64",
    "total_effect_low": "float64",
    "total_effect_high": "float64",
    "mean_rank_shift": "float64",
    "variance": "float64",
    "base_count": "int64",
    "evaluation_count": "int64",
    "half_width": "float64",
    "is_converged": "bool",
    "random_seed": "int64",
    FINGERPRINT: "str",
}


def model(dbt, session):
    """One row for each edition and choice."""
    target_half_width = float(dbt.config.meta_get("target_half_width"))
    most = int(dbt.config.meta_get("most_rows"))
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
            lambda edition: sensitivity_rows(edition, target_half_width, most),
            parameters=[target_half_width, most],
            types=COLUMNS,
            earlier=earlier,
        )
    return table_of(rows, COLUMNS, session)
