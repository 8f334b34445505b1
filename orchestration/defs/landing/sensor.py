"""The sensor that watches the landing folder and starts the nightly job when files have come to rest in it."""

import hashlib

import dagster as dg

from city_index.landing.door import look
from city_index.landing.known import editions_with_frameworks
from city_index.settings import Settings
from orchestration.defs.landing.assets import EDITIONS, edition_partition

_EVERY_SECONDS = 30


def landing_sensor(job) -> dg.SensorDefinition:
    """Start the job once for each new state of the landing folder, after two looks have found it the same."""

    @dg.sensor(
        name="landing_sensor",
        job=job,
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Watches the landing folder. Files that two looks in a row find unchanged start the nightly job; without "
            "the sensor the next night lands them."
        ),
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        settings = Settings.from_environment()
        arrivals, _refused = look(settings)
        generation, _separator, seen = (context.cursor or "0:").partition(":")
        if not arrivals:
            # What comes after an empty folder is new, even the same file once more.
            if seen:
                context.update_cursor(f"{int(generation) + 1}:")
            return dg.SkipReason("the landing folder holds no file that could be taken")
        digest = hashlib.sha256()
        for arrival in arrivals:
            digest.update(f"{arrival.name}\0{arrival.size}\0{arrival.modified_ns}\n".encode())
        state = digest.hexdigest()
        if seen != state:
            context.update_cursor(f"{generation}:{state}")
            return dg.SkipReason(f"{len(arrivals)} files; waiting until they have come to rest")
        editions = [edition_partition(*edition) for edition in editions_with_frameworks(settings)]
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=f"{generation}:{state}", tags={"landing/files": str(len(arrivals))})],
            dynamic_partitions_requests=[EDITIONS.build_add_request(editions)],
            cursor=f"{generation}:{state}",
        )

    return watch
