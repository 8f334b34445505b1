"""City Index: composite indices of cities, computed in a warehouse and published with their evidence.

This package holds the work: settings, the rebuild lock, the quality gates, the build and the releases. It does not
import Dagster; the wiring stands in ``orchestration``. The formulas of the index are not here but in ``models`` and
``macros``.
"""

__version__ = "0.1.0"
