"""Principal components of siblings, and the weights that give them the importance that their framework means.

What belongs here: what needs the eigenvectors of a matrix, or a least squares solution under constraints, for a group
of siblings. SQL is the wrong tool for both: its queries have no loop that ends when a result no longer moves, and no
matrix whose width is known only from the rows. All that SQL can measure is measured there: this model reads
correlations and standard deviations, never cities, and is as small as the trees. Nothing in it is random and its
results are rounded, so two builds agree to the last digit.
"""

import numpy as np
from scipy.optimize import nnls

from city_index.frames import frame_of, table_of

# Beyond these decimals lie the last bits of linear algebra.
DECIMALS = 12

# Eigenvalues closer than this are the same: of two equal ones neither is the first, and one of 0 has no inverse.
SAME_EIGENVALUE = 1e-9

KEY = ("index_code", "edition", "parent_code", "indicator_code")
RESULTS = ("first_component_share", "principal_component_weight", "correlation_optimised_weight")


def first_component(correlations: np.ndarray) -> tuple[float, np.ndarray | None]:
    """The first principal component of two or more children.

    Args:
        correlations: of the children with each other.

    Returns:
        its share of their variance, and the squared loadings, which add up to 1; None for the loadings where the two
        largest eigenvalues are the same, because any mixture of their components is then as good.
    """
    values, vectors = np.linalg.eigh(correlations)
    is_single = values[-1] - values[-2] > SAME_EIGENVALUE
    return values[-1] / len(values), vectors[:, -1] ** 2 if is_single else None


def optimised_weights(
    correlations: np.ndarray, deviations: np.ndarray, aims: np.ndarray, least_weight: float
) -> np.ndarray | None:
    """Weights under which the children's correlations with their parent, as shares of their sum, come closest to aims.

    The parent is the arithmetic mean. With R the correlations and D the standard deviations of the children, its
    correlations with them are as R D w, and their shares are A w with A = R D where w is scaled so that these add up
    to 1. With that scale as one more row, the least squares problem has no constraint left but signs, and its solution
    has the direction of the constrained one. A least weight becomes a sign by searching t >= 0 with w = t + c * sum(t).

    Args:
        correlations: of the children with each other.
        deviations: standard deviations of their scores.
        aims: the shares to come close to; they add up to 1.
        least_weight: the least weight to give; or half the least aim, where that is less.

    Returns:
        the weights, which add up to 1; None where the children are linearly dependent, because many weights then do the
        same, or where none gives correlations with a sum above 0.
    """
    if np.linalg.eigvalsh(correlations)[0] < SAME_EIGENVALUE:
        return None
    count = len(aims)
    least_share = min(least_weight, aims.min() / 2)
    mixing = np.eye(count) + least_share / (1 - count * least_share)
    influence = correlations @ (deviations[:, None] / deviations.max() * mixing)
    scale = influence.sum(axis=0)
    problem = np.vstack([influence - np.outer(aims, scale), scale])
    lengths = np.linalg.norm(problem, axis=0)
    try:
        solution, _ = nnls(problem / lengths, np.append(np.zeros(count), 1.0))
    except RuntimeError:  # too many iterations: the other indices of the night are published all the same
        return None
    weights = mixing @ (solution / lengths)
    return weights / weights.sum() if weights.sum() > 0 else None


def model(dbt, session):
    """One row for each node below a parent: what components and optimisation make of it; null where they cannot."""
    max_siblings = int(dbt.config.meta_get("max_siblings"))
    least_weight = float(dbt.config.meta_get("least_weight"))
    group = ["index_code", "edition", "parent_code"]
    nodes = frame_of(dbt.ref("int_sibling_measures")).sort_values([*group, "indicator_code"], ignore_index=True)
    correlations = dict(list(frame_of(dbt.ref("int_sibling_correlations")).groupby(group, sort=False)))
    results = {name: np.full(len(nodes), np.nan) for name in RESULTS}
    for key, children in nodes.groupby(group, sort=False):
        position = {code: number for number, code in enumerate(children["indicator_code"])}
        pairs = correlations.get(key)
        # Every child needs a correlation with every other one.
        if pairs is None or len(position) > max_siblings or len(pairs) < len(position) * (len(position) - 1):
            continue
        rows, columns = (pairs[name].map(position) for name in ("indicator_code", "other_indicator_code"))
        matrix = np.eye(len(position))
        matrix[rows, columns] = pairs["correlation"]
        share, loadings = first_component(matrix)
        weights = optimised_weights(
            matrix,
            (children["score_range"] * children["sd_place"]).to_numpy(),
            children["weight"].to_numpy(),
            least_weight,
        )
        for name, found in zip(RESULTS, (share, loadings, weights), strict=True):
            if found is not None:
                results[name][children.index] = np.round(found, DECIMALS)
    return table_of(nodes.assign(**results), dict.fromkeys(KEY, "str") | dict.fromkeys(RESULTS, "float64"), session)
