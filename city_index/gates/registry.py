"""All gates: the batches that each of them checks."""

from __future__ import annotations

from city_index.gates.landed import LANDED_BATCHES
from city_index.gates.suites import LANDED, MARTS, MARTS_BATCHES, RAW, RAW_BATCHES, Batch

BATCHES: dict[str, tuple[Batch, ...]] = {LANDED: LANDED_BATCHES, RAW: RAW_BATCHES, MARTS: MARTS_BATCHES}
