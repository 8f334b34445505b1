"""The two sides of a comparison: kept releases, the published one, or the build that waits in the warehouse.

What belongs here: what a name given by a person means, and that the database behind it is whole. What does not: what
the databases hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from city_index.builds import Build, latest_build
from city_index.checks import read_checks
from city_index.errors import CityIndexError, NothingPublishable, RebuildRunning, UsageError
from city_index.lock import lock_holder
from city_index.releases import store
from city_index.releases.assemble import DATABASE_NAME
from city_index.releases.manifest import Manifest, faults
from city_index.settings import Settings
from city_index.weights_file import in_quotes

# What a side may be called besides the id of a release.
PUBLISHED = "published"
PREVIOUS = "previous"
BUILD = "build"

_SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class Side:
    """One of the two things that are compared.

    Attributes:
        label: what it is, for people.
        release_id: the release; none of a build.
        is_published: whether readers see it now.
        built_at_utc: when its build began, ISO 8601.
        code_version: version and fingerprint of the code that made it.
        input_hash: SHA-256 over the inputs.
        refusals: why a gate refused it, one sentence each; of a build alone.
        database: the file that holds it.
    """

    label: str
    release_id: str | None
    is_published: bool
    built_at_utc: str
    code_version: str
    input_hash: str
    refusals: tuple[str, ...]
    database: Path


@dataclass(frozen=True)
class Sides:
    """What is compared with what, and what has to be said of the choice."""

    before: Side
    after: Side
    remarks: tuple[str, ...]


def choose_sides(settings: Settings, first: str | None = None, second: str | None = None) -> Sides:
    """Which two databases are meant.

    Without names: the published release and the build that waits; where that build is what was published, or there is
    none that could be compared, the release kept before the published one and the published one. With one name: that
    and the published one; a build comes after it.

    Args:
        settings: whose releases.
        first: id of a kept release, the beginning of one, or ``published``, ``previous`` or ``build``.
        second: the same.

    Raises:
        UsageError: a name means nothing, or both mean the same.
        NothingPublishable: nothing is published, or there is nothing to compare it with.
        RebuildRunning: the build is being written.
        CityIndexError: a release is damaged, or the build is not finished.
    """
    current = store.current_release(settings)
    if current is None:
        raise NothingPublishable(f"nothing is published in {settings.published}; run `city-index run`")
    if first is None:
        return _by_default(settings, current)
    if second is None:
        before, after = (PUBLISHED, BUILD) if first == BUILD else (first, PUBLISHED)
    else:
        before, after = first, second
    sides = Sides(_side(settings, current, before), _side(settings, current, after), ())
    if sides.before.database == sides.after.database:
        raise UsageError(f"{before} and {after} are both {sides.before.label}; name two that differ")
    return sides


def sides_of_candidate(settings: Settings, database: Path, manifest: Manifest) -> Sides | None:
    """The release before and one that is being assembled; None where there is none before.

    Args:
        settings: whose releases.
        database: the database of the release that is being assembled.
        manifest: what it will be.
    """
    last = store.last_release(settings)
    if last is None:
        return None
    before, before_manifest = last
    return Sides(_release(before_manifest, before, is_published=True), _release(manifest, database, False), ())


def _release(manifest: Manifest, database: Path, is_published: bool) -> Side:
    return Side(
        label=f"release {manifest.release_id}",
        release_id=manifest.release_id,
        is_published=is_published,
        built_at_utc=manifest.built_at_utc,
        code_version=manifest.code_version,
        input_hash=manifest.input_hash,
        refusals=(),
        database=database,
    )


def _by_default(settings: Settings, current: Manifest) -> Sides:
    published = _side_of_release(settings, current, current)
    build = latest_build(settings)
    if build is None:
        reason = "no build waits in the warehouse"
    elif _came_of(build, current):
        reason = "the build in the warehouse is the one that was published"
    else:
        try:
            return Sides(published, _side_of_build(settings, current, build), ())
        except (RebuildRunning, CityIndexError) as error:
            reason = str(error)
    previous = _previous(settings, current)
    if previous is None:
        raise NothingPublishable(
            f"nothing to compare {published.label} with: {reason}, and no release is kept from before it"
        )
    return Sides(
        _side_of_release(settings, current, previous),
        published,
        (f"This is the published release against the one before it: {reason}.",),
    )


def _came_of(build: Build, manifest: Manifest) -> bool:
    """Whether a release holds what a build made: the very build, or one of the same inputs and code."""
    return manifest.built_at_utc == f"{build.started_at_utc}Z" or (
        (manifest.code_version, manifest.input_hash) == (build.code_version, build.input_hash)
    )


def _previous(settings: Settings, current: Manifest) -> Manifest | None:
    earlier = [manifest for manifest in store.kept_releases(settings) if manifest.sequence < current.sequence]
    return earlier[0] if earlier else None


def _side(settings: Settings, current: Manifest, given: str) -> Side:
    if given == PUBLISHED:
        return _side_of_release(settings, current, current)
    if given == PREVIOUS:
        previous = _previous(settings, current)
        if previous is None:
            raise UsageError(f"no release is kept from before the published one, {current.release_id}")
        return _side_of_release(settings, current, previous)
    if given == BUILD:
        build = latest_build(settings)
        if build is None:
            raise UsageError("no build waits in the warehouse; run `city-index run`")
        return _side_of_build(settings, current, build)
    known = {manifest.release_id: manifest for manifest in [*store.kept_releases(settings), current]}
    exact = [given] if given in known else []
    found = exact or [name for name in sorted(known) if len(given) >= _SHORTEST_PREFIX and name.startswith(given)]
    if len(found) == 1:
        return _side_of_release(settings, current, known[found[0]])
    if found:
        raise UsageError(f"{in_quotes(given)} begins several releases: {', '.join(found)}")
    raise UsageError(
        f"no release {in_quotes(given)} is kept; there are {', '.join(sorted(known))}, "
        f"and the words {PUBLISHED}, {PREVIOUS} and {BUILD}"
    )


def _side_of_release(settings: Settings, current: Manifest, manifest: Manifest) -> Side:
    """A release, read from where it is whole: what is kept never changes, what is published may be replaced.

    Raises:
        CityIndexError: no copy of its database is as its manifest says.
    """
    is_published = manifest.release_id == current.release_id
    kept = settings.releases / manifest.release_id
    damage = []
    for folder in [kept, settings.published] if is_published else [kept]:
        database = folder / DATABASE_NAME
        found = (
            faults(folder, manifest, only=(DATABASE_NAME,))
            if DATABASE_NAME in manifest.files
            else [f"the manifest of {folder} names no {DATABASE_NAME}"]
        )
        if database.with_name(f"{DATABASE_NAME}.wal").exists():
            found.append(f"{database}.wal is left over from a writer")
        if not found:
            return _release(manifest, database, is_published)
        damage += found
    raise CityIndexError(f"release {manifest.release_id} is damaged: {damage[0]}; run `city-index verify`")


def _side_of_build(settings: Settings, current: Manifest, build: Build) -> Side:
    """The build in the warehouse.

    Raises:
        RebuildRunning: it is being written; whoever opened it now could make the rebuild fail.
        CityIndexError: it has no database.
    """
    holder = lock_holder(settings.lock_file)
    if holder is not None:
        raise RebuildRunning(f"the build is being written: {holder}; wait for it")
    if not build.database.is_file():
        raise CityIndexError(f"the build {build.build_id} has no database: it ended early; run `city-index run`")
    return Side(
        label=f"build {build.build_id}",
        release_id=None,
        is_published=_came_of(build, current),
        built_at_utc=f"{build.started_at_utc}Z",
        code_version=build.code_version,
        input_hash=build.input_hash,
        refusals=tuple(_refusals(build)),
        database=build.database,
    )


def _refusals(build: Build) -> list[str]:
    """What the gates had against a build, as far as they noted it."""
    sentences = []
    for path in (build.raw_checks, build.marts_checks):
        try:
            sentences += [check.sentence() for check in read_checks(path) if check.stops_publishing]
        except (OSError, ValueError, TypeError):
            continue
    return sentences
