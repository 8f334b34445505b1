"""What a run that was killed leaves behind, and how it goes: every rebuild and every rollback begins with that.

What belongs here: every place where something can be left half done. What a killed landing, publication or parsing
leaves is described where it is made; here they are all called.
"""

from __future__ import annotations

import shutil

from city_index.helper_process import wait_for_helpers
from city_index.landing.door import remove_cut_off_copies
from city_index.releases import store
from city_index.settings import Settings


def remove_leftovers(settings: Settings) -> None:
    """Wait for the helpers of a run that was killed, and remove what it left behind. Needs the rebuild lock.

    What was parsed halfway goes when the project is parsed next, and a build that was cut short when the next begins.

    Raises:
        CityIndexError: a helper does not end.
    """
    wait_for_helpers(settings.helpers_lock)
    for folder in (settings.temporary, settings.landing_work):
        shutil.rmtree(folder, ignore_errors=True)
    for path in [*settings.home.glob(".*.tmp"), *settings.dagster_home.glob(".*.tmp")]:
        if not path.is_dir():
            path.unlink(missing_ok=True)
    remove_cut_off_copies(settings)
    store.remove_leftovers(settings)
