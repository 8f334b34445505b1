"""What was landed is held against its checksums before anything is built on it."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from landing_files import OBSERVATIONS, Door, make_door

from city_index.errors import GateRefused
from city_index.landing import raw_store
from city_index.landing.ledger import Ledger
from city_index.landing.raw_store import PreparedBatch, RawStore
from city_index.leftovers import remove_leftovers
from city_index.retention import prune_home
from reliability.invariants import nothing_left_over

GOOD = "wellbeing,2024,AUT,lifespan,81.5"
WRONG = "wellbeing,2024,ATL,lifespan,1"


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a tree, two countries, and a batch of which one row of two was quarantined."""
    door = make_door(tmp_path_factory.mktemp("landed") / "home")
    door.land_foreign_index()
    door.land_observations([GOOD, WRONG])
    return door.settings.home


@pytest.fixture
def foreign(landed: Path, tmp_path: Path) -> Door:
    """A copy of that home."""
    shutil.copytree(landed, tmp_path / "home")
    return make_door(tmp_path / "home")


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.parquet")
    return path


def contents(door: Door) -> dict[str, bytes]:
    """Every file of raw/ and quarantine/."""
    return {
        path.relative_to(door.settings.home).as_posix(): path.read_bytes()
        for folder in (door.settings.raw, door.settings.quarantine)
        for path in folder.rglob("*.parquet")
    }


def test_every_landed_file_is_in_the_ledger(foreign: Door) -> None:
    noted = json.loads(foreign.settings.landed_files.read_text(encoding="utf-8"))
    assert noted["change"] is None
    assert set(noted["files"]) == set(contents(foreign)) and len(noted["files"]) == 4
    assert Ledger(foreign.settings).faults() == []


def _change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _add_a_file(path: Path) -> None:
    shutil.copyfile(path, path.with_name("added.parquet"))


def _put_a_file_in_place_of_the_folder(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_text("a file", encoding="utf-8")


@pytest.mark.parametrize("root", ["raw", "quarantine"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_change_a_byte, "holds other bytes than were landed; restore it from the backup"),
        (lambda path: path.write_bytes(path.read_bytes()[:40]), "holds other bytes than were landed"),
        (lambda path: path.write_bytes(b""), "holds other bytes than were landed"),
        (Path.unlink, "is missing; restore it from the backup, or let its rows go with `city-index run --accept-rem"),
        (lambda path: shutil.rmtree(path.parent), "observations is missing with 1 landed files"),
        (lambda path: shutil.rmtree(path.parent.parent), "is missing with"),
        (_add_a_file, "added.parquet was not landed here; move it away"),
        (_put_a_file_in_place_of_the_folder, "cannot be read (Not a directory)"),
    ],
)
def test_a_damaged_landed_file_stops_the_landing_until_it_is_restored(
    foreign: Door, tmp_path: Path, root: str, damage: Callable[[Path], None], said: str
) -> None:
    folder = getattr(foreign.settings, root)
    shutil.copytree(folder, tmp_path / "backup")
    damage(only_file(folder / "observations"))
    waiting = foreign.drop("observations", "next.csv", "index_code,edition,city_code,indicator_code,value\n" + GOOD)
    with pytest.raises(GateRefused) as refused:
        foreign.land()
    assert said in str(refused.value)
    assert str(folder) in str(refused.value)
    assert str(refused.value).count("\n") == 0
    assert waiting.exists()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tmp_path / "backup", folder)
    assert len(foreign.land().batches) == 1
    foreign.account()


def test_a_bit_that_flips_in_the_ledger_is_never_taken_for_damage_of_a_landed_file(foreign: Door) -> None:
    ledger = foreign.settings.landed_files
    written = ledger.read_bytes()
    for place in range(len(written)):
        ledger.write_bytes(written[:place] + bytes([written[place] ^ 1]) + written[place + 1 :])
        try:
            assert Ledger(foreign.settings).faults() == []  # white space, or the name of its own checksum
        except GateRefused as refused:
            assert f"{ledger}, the checksums of what was landed, cannot be read" in str(refused)
    ledger.write_bytes(written)
    assert len(foreign.land().batches) == 0


def test_a_ledger_without_a_checksum_of_its_own_is_read(foreign: Door) -> None:
    ledger = foreign.settings.landed_files
    content = json.loads(ledger.read_text())
    del content["sha256"]
    ledger.write_text(json.dumps(content))
    assert Ledger(foreign.settings).faults() == []


@pytest.mark.parametrize("root", ["raw", "quarantine"])
def test_a_person_may_let_missing_files_go_and_land_them_again(foreign: Door, root: str) -> None:
    only_file(getattr(foreign.settings, root) / "observations").unlink()
    landing = foreign.landing(accepts_removals=True)
    (note,) = landing.land().notes
    assert "1 landed files are missing and were let go" in note
    assert foreign.raw("observations", "value") == []
    assert foreign.quarantined("observations") == []
    foreign.account()
    assert foreign.land().notes == []
    (original,) = (foreign.settings.archive / "observations").rglob("*.csv")
    foreign.drop("observations", "again.csv", original.read_bytes())
    (batch,) = foreign.land().batches
    assert (batch.record.accepted_count, batch.record.quarantined_count) == (1, 1)
    foreign.account()


def test_changed_bytes_do_not_go_with_the_missing_files(foreign: Door) -> None:
    only_file(foreign.settings.raw / "observations").unlink()
    _change_a_byte(only_file(foreign.settings.raw / "cities"))
    with pytest.raises(GateRefused, match="holds other bytes"):
        foreign.landing(accepts_removals=True).land()


def test_files_from_before_the_ledger_are_taken_up_once(foreign: Door) -> None:
    foreign.settings.landed_files.unlink()
    assert foreign.land().notes == ["4 landed files had no checksum yet; they are taken as they are from now on"]
    assert foreign.land().notes == []
    _change_a_byte(only_file(foreign.settings.raw / "observations"))
    with pytest.raises(GateRefused):
        foreign.land()


def test_a_damaged_ledger_says_what_to_do(foreign: Door) -> None:
    ledger = foreign.settings.landed_files
    for damaged in (ledger.read_text(encoding="utf-8")[:100], "", "[]", '{"files": {"raw/x": 1}, "change": null}'):
        ledger.write_text(damaged, encoding="utf-8")
        with pytest.raises(GateRefused, match="restore it from the backup, or delete it"):
            foreign.land()
    ledger.unlink()
    foreign.land()
    assert Ledger(foreign.settings).faults() == []


def test_what_an_earlier_version_landed_is_taken_up_anew_and_never_moved_away(foreign: Door) -> None:
    """The earlier version keeps no checksums: it lands, and leaves ``landed.json`` as it was."""
    before = foreign.settings.landed_files.read_bytes()
    foreign.land_observations([GOOD.replace("81.5", "7"), WRONG.replace(",1", ",2")], name="second.csv")
    foreign.settings.landed_files.write_bytes(before)
    with pytest.raises(GateRefused) as refused:
        foreign.land()
    assert "holds batches that landed.json does not know; where an earlier version of City Index landed it" in str(
        refused.value
    )
    assert f"delete {foreign.settings.landed_files}" in str(refused.value)
    foreign.settings.landed_files.unlink()
    assert foreign.land().notes == ["6 landed files had no checksum yet; they are taken as they are from now on"]
    assert foreign.raw("observations", "value") == [(81.5,), (7.0,)] and len(foreign.quarantined("observations")) == 2
    foreign.account()


def test_what_an_earlier_version_merged_is_taken_up_anew(foreign: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign.land_observations([GOOD.replace("81.5", "7")], name="second.csv")
    before = foreign.settings.landed_files.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(raw_store, "COMPACT_FROM", 2)
        foreign.land()
    foreign.settings.landed_files.write_bytes(before)
    with pytest.raises(GateRefused, match=r"merged\.parquet holds batches that landed.json does not know"):
        foreign.landing(accepts_removals=True).land()
    foreign.settings.landed_files.unlink()
    foreign.land()
    assert foreign.raw("observations", "value") == [(81.5,), (7.0,)] and len(foreign.quarantined("observations")) == 1


def test_refused_rows_of_no_batch_are_set_aside_where_raw_and_ledger_are_lost(foreign: Door) -> None:
    refused = only_file(foreign.settings.quarantine / "observations")
    content = refused.read_bytes()
    foreign.settings.landed_files.unlink()
    shutil.rmtree(foreign.settings.raw)
    (note,) = foreign.land().notes
    assert note == (
        "1 files of quarantine/ belong to no batch of raw/; they were moved to " + str(foreign.settings.let_go)
    )
    assert (foreign.settings.let_go / "quarantine" / "observations" / refused.name).read_bytes() == content


class Killed(BaseException):
    """As after a kill: nothing catches it."""


def prepared_batch(door: Door, folder: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedBatch:
    """A batch that is written and not committed, with its files in a folder of their own."""
    folder.mkdir()
    found = []

    def keep(self: RawStore, prepared: PreparedBatch) -> None:
        for path in (prepared.accepted, prepared.quarantined):
            shutil.copy(path, folder)
        found.append(prepared)
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(RawStore, "commit", keep)
        door.land_observations([GOOD.replace("81.5", "9"), WRONG.replace(",1", ",3")], name="last.csv")
    return found[0]


@pytest.mark.slow
@pytest.mark.parametrize("merging", [False, True])
def test_a_change_that_was_cut_short_anywhere_is_completed_or_undone(
    foreign: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, merging: bool
) -> None:
    """Cut short before and after each step that moves or removes a file, or writes the ledger."""
    foreign.land_observations([GOOD.replace("81.5", "7"), WRONG.replace(",1", ",2")], name="second.csv")
    values = foreign.raw("observations", "value")
    batch = prepared_batch(foreign, tmp_path / "prepared", monkeypatch)
    shutil.copytree(foreign.settings.home, tmp_path / "before")
    ends = set()
    for step in range(100):
        shutil.rmtree(foreign.settings.home)
        shutil.copytree(tmp_path / "before", foreign.settings.home)
        shutil.copytree(tmp_path / "prepared", batch.accepted.parent, dirs_exist_ok=True)
        countdown = [step]

        def counted(function: Callable, countdown: list[int] = countdown) -> Callable:
            def wrapped(*arguments, **options):
                for before in (True, False):
                    if countdown[0] == 0:
                        raise Killed
                    countdown[0] -= 1
                    if before:
                        function(*arguments, **options)

            return wrapped

        was_cut_short = False
        with monkeypatch.context() as patched:
            patched.setattr(raw_store, "COMPACT_FROM", 2)
            patched.setattr(raw_store, "_place", counted(raw_store._place))
            patched.setattr(Ledger, "_write", counted(Ledger._write))
            patched.setattr(Path, "unlink", counted(Path.unlink))
            store = RawStore(foreign.settings)
            try:
                if merging:
                    store.merge_small_files()
                else:
                    store.commit(batch)
                    store.settle()
            except Killed:
                was_cut_short = True
        assert RawStore(foreign.settings).recover() == []
        assert Ledger(foreign.settings).faults() == []
        assert not Ledger(foreign.settings).has_change()
        assert not list(foreign.settings.home.glob(".*")) and not foreign.settings.let_go.exists()
        foreign.account()
        after = foreign.raw("observations", "value"), len(foreign.quarantined("observations"))
        ends.add((after[1], len(list((foreign.settings.raw / "observations").iterdir()))))
        assert after == (values, 2) or (not merging and after == ([*values, (9.0,)], 3))
        if not was_cut_short:
            break
    assert step >= 8
    assert ends == ({(2, 2), (2, 1)} if merging else {(2, 2), (3, 3)})


def test_a_full_disk_leaves_the_ledger_as_it_was(foreign: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    before = foreign.settings.landed_files.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("city_index.durability.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            foreign.land_observations([GOOD.replace("81.5", "3")], name="more.csv")
    assert foreign.settings.landed_files.read_bytes() == before
    assert not list(foreign.settings.home.glob(".*"))
    foreign.land()
    assert foreign.raw("observations", "value") == [(81.5,), (3.0,)]
    foreign.account()


def cut_short_after(door: Door, monkeypatch: pytest.MonkeyPatch, placed: int) -> None:
    """A landing of one row accepted and one refused that is killed when it has placed so many of its two files."""
    count = [placed]
    real = raw_store._place

    def place(source: Path, target: Path) -> None:
        real(source, target)
        count[0] -= 1
        if count[0] == 0:
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(raw_store, "_place", place)
        door.land_observations([GOOD.replace("81.5", "9"), WRONG.replace(",1", ",3")], name="cut.csv")


@pytest.mark.parametrize("placed", [1, 2])
@pytest.mark.parametrize("lost", ["raw", "raw/observations"])
def test_a_folder_that_vanished_undoes_no_change(
    foreign: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placed: int, lost: str
) -> None:
    cut_short_after(foreign, monkeypatch, placed)
    before = contents(foreign)
    (foreign.settings.home / lost).rename(tmp_path / "lost")
    with pytest.raises(GateRefused, match=r"is missing with \d landed files; restore it from the backup, or let"):
        foreign.land()
    with pytest.raises(GateRefused, match=r"a landing was cut short, and .* is missing; .*; nothing was undone"):
        Ledger(foreign.settings).complete()
    (tmp_path / "lost").rename(foreign.settings.home / lost)
    assert contents(foreign) == before
    foreign.land()
    assert foreign.raw("observations", "value") == [(81.5,), (9.0,)] and len(foreign.quarantined("observations")) == 2
    foreign.account()
    assert not foreign.settings.let_go.exists()


def test_the_rest_of_a_change_whose_folder_vanished_is_kept_where_a_person_lets_it_go(
    foreign: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short_after(foreign, monkeypatch, placed=2)
    refused = {path.name: path.read_bytes() for path in (foreign.settings.quarantine / "observations").iterdir()}
    assert len(refused) == 2
    shutil.rmtree(foreign.settings.raw / "observations")
    foreign.landing(accepts_removals=True).land()
    kept = foreign.settings.let_go / "quarantine" / "observations"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == refused
    assert foreign.raw("observations", "value") == [(9.0,)], "the file still lay in the landing folder"
    foreign.account()
    assert Ledger(foreign.settings).faults() == []


@pytest.mark.parametrize("is_other_disk", [False, True])
def test_letting_go_that_was_cut_short_is_completed(
    foreign: Door, monkeypatch: pytest.MonkeyPatch, is_other_disk: bool
) -> None:
    refused = only_file(foreign.settings.quarantine / "observations")
    content = refused.read_bytes()
    only_file(foreign.settings.raw / "observations").unlink()

    def killed(self: Ledger, path: Path) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Ledger, "set_aside", killed)
        foreign.landing(accepts_removals=True).land()
    assert refused.exists() and Ledger(foreign.settings).has_change()

    def other_disk(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    with monkeypatch.context() as patched:
        if is_other_disk:
            patched.setattr("city_index.landing.ledger.os.rename", other_disk)
        foreign.land()
    (kept,) = (path for path in foreign.settings.let_go.rglob("*") if path.is_file())
    assert kept.relative_to(foreign.settings.let_go) == refused.relative_to(foreign.settings.home)
    assert kept.read_bytes() == content and not refused.exists()
    assert not Ledger(foreign.settings).has_change() and Ledger(foreign.settings).faults() == []
    foreign.account()


def test_what_was_let_go_before_is_not_written_over(foreign: Door) -> None:
    refused = only_file(foreign.settings.quarantine / "observations")
    kept = foreign.settings.let_go / "quarantine" / "observations" / refused.name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"let go before")
    only_file(foreign.settings.raw / "observations").unlink()
    content = refused.read_bytes()
    foreign.landing(accepts_removals=True).land()
    assert kept.read_bytes() == b"let go before"
    second = kept.with_name(f"{refused.stem}-2.parquet")
    assert second.read_bytes() == content
    prune_home(replace(foreign.settings, archive_days=0, archive_bytes=0), datetime.now(UTC) + timedelta(days=999))
    remove_leftovers(foreign.settings)
    assert not any(path.is_file() for path in foreign.settings.archive.rglob("*"))
    assert kept.is_file() and second.is_file()
    assert not [said for said in nothing_left_over(foreign.settings) if "let_go" in said]


def test_a_file_that_was_let_go_can_be_brought_back(foreign: Door) -> None:
    """By the way that docs/operations.md describes."""
    before, settings = contents(foreign), foreign.settings
    landed = only_file(settings.raw / "observations")
    backup = landed.read_bytes()
    landed.unlink()
    foreign.landing(accepts_removals=True).land()
    landed.write_bytes(backup)
    refused = only_file(settings.let_go / "quarantine" / "observations")
    refused.rename(settings.home / refused.relative_to(settings.let_go))
    settings.landed_files.unlink()
    foreign.land()
    assert contents(foreign) == before
    foreign.account()


def test_a_landing_does_not_read_the_ledger_for_each_file_and_writes_it_once_for_each(
    foreign: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 4
    for number in range(count):
        foreign.drop("observations", f"{number}.csv", OBSERVATIONS + GOOD.replace("81.5", str(number)) + "\n")
    calls = {"_read": 0, "_write": 0}

    def counted(name: str, function: Callable) -> Callable:
        def wrapped(*arguments):
            calls[name] += 1
            return function(*arguments)

        return wrapped

    with monkeypatch.context() as patched:
        for name in calls:
            patched.setattr(Ledger, name, counted(name, getattr(Ledger, name)))
        assert len(foreign.land().batches) == count
    assert calls == {"_read": 2, "_write": count + 1}
    assert not Ledger(foreign.settings).has_change() and Ledger(foreign.settings).faults() == []


def test_removed_files_are_gone_for_good_before_the_ledger_says_so(
    foreign: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short_after(foreign, monkeypatch, placed=1)
    done = []
    with monkeypatch.context() as patched:
        patched.setattr("city_index.landing.ledger.sync", lambda path: done.append(path))
        patched.setattr(Ledger, "_write", lambda self, content: done.append("written"))
        Ledger(foreign.settings).complete()
    folders = {foreign.settings.raw / "observations", foreign.settings.quarantine / "observations"}
    assert set(done[:2]) == folders and done[2:] == ["written"]


@pytest.mark.parametrize("removed", [0, 1])
def test_a_merging_that_was_cut_short_after_it_was_decided_is_completed_only_where_the_merged_file_is_whole(
    foreign: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: int
) -> None:
    foreign.land_observations([GOOD.replace("81.5", "7"), WRONG.replace(",1", ",2")], name="second.csv")
    before = foreign.raw("observations", "*"), foreign.quarantined("observations", "*")

    def killed(self: Ledger, names: list[str]) -> None:
        for name in names[:removed]:
            (foreign.settings.home / name).unlink()
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(raw_store, "COMPACT_FROM", 2)
        patched.setattr(Ledger, "_remove", killed)
        RawStore(foreign.settings).merge_small_files()
    (merged,) = (foreign.settings.raw / "observations").glob("*-merged.parquet")
    content, left = merged.read_bytes(), set(contents(foreign))
    _change_a_byte(merged)
    with pytest.raises(GateRefused, match=r"merged\.parquet holds other bytes"):
        foreign.land()
    assert set(contents(foreign)) == left, "what was merged is still needed"
    merged.write_bytes(content)
    assert foreign.land().notes == []
    assert len(contents(foreign)) == 4
    assert (foreign.raw("observations", "*"), foreign.quarantined("observations", "*")) == before
    foreign.account()
