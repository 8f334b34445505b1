"""How cases are drawn with hypothesis: so many, the same for the same seed, and every one of them."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, seed, settings

Test = Callable[..., None]


def drawn(cases: int, seed_number: int) -> Callable[[Test], Test]:
    """Have what ``given`` made called with so many cases.

    A case that breaks a promise is tallied and kept by the one who called, so hypothesis shrinks nothing, remembers
    nothing, and ends no case for the time it takes.

    Args:
        cases: how many, at most: a small strategy has fewer.
        seed_number: the same gives the same.
    """

    def decorate(test: Test) -> Test:
        limited = settings(
            max_examples=cases,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        return seed(seed_number)(limited(test))

    return decorate
