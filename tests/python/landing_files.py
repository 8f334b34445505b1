"""What the tests of the landing door share: a small foreign index, and a home with a door to drop files at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from city_index.checks import Check
from city_index.contracts import contracts
from city_index.database import parquet_rows
from city_index.landing.landing import Landing, LandingOutcome
from city_index.landing.raw_store import RawStore
from city_index.progress import SilentReporter
from city_index.settings import PROJECT_DIRECTORY, Settings

# Countries scored by two leaves: nothing of it is known to the report's index.
CITIES = "city_code,name_zh,name_en\nAUT,奥地利,Austria\nCHE,瑞士,Switzerland\n"
FRAMEWORK = """index_code,edition,indicator_code,parent_code,name_zh,name_en,weight
wellbeing,2024,total,,福祉,Well-being,1
wellbeing,2024,life,total,生活,Life,1
wellbeing,2024,health,life,健康,Health,1
wellbeing,2024,lifespan,health,寿命,Lifespan,3
wellbeing,2024,doctors,health,医生,Doctors,1
"""
OBSERVATIONS = "index_code,edition,city_code,indicator_code,value\n"


@dataclass
class Door:
    """A home with a landing folder, and what tests do with it."""

    settings: Settings

    def drop(self, kind: str, name: str, content: str | bytes) -> Path:
        """Put a file into the landing folder; later ones are younger."""
        folder = self.settings.landing / kind
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        time.sleep(0.002)
        return path

    def land(self, check: Callable[[list], list[Check]] = lambda batches: []) -> LandingOutcome:
        """Land what lies there, without Great Expectations unless a check is given."""
        return Landing(self.settings, SilentReporter(), check).land()

    def landing(self, **options: bool) -> Landing:
        """A landing with options of its own."""
        return Landing(self.settings, SilentReporter(), lambda batches: [], **options)

    def retry(self, index_code: str, edition: str) -> LandingOutcome:
        return Landing(self.settings, SilentReporter(), lambda batches: []).retry(index_code, edition)

    def land_foreign_index(self) -> None:
        """Land the countries and the tree of the foreign index."""
        self.drop("cities", "countries.csv", CITIES)
        self.drop("frameworks", "tree.csv", FRAMEWORK)
        outcome = self.land()
        assert [batch.record.quarantined_count for batch in outcome.batches] == [0, 0], outcome.sentences()

    def land_observations(self, rows: Iterable[str], name: str = "observations.csv") -> LandingOutcome:
        self.drop("observations", name, OBSERVATIONS + "".join(f"{row}\n" for row in rows))
        return self.land()

    def raw(self, kind: str, columns: str) -> list[tuple]:
        """Accepted rows of all batches in the order in which they were landed."""
        return self._rows(self.settings.raw / kind, columns)

    def quarantined(self, kind: str, columns: str = "row_number, reason") -> list[tuple]:
        return self._rows(self.settings.quarantine / kind, columns)

    def _rows(self, folder: Path, columns: str, rest: str = "order by batch_number, row_number") -> list[tuple]:
        files = sorted(folder.glob("*.parquet"))
        if not files:
            return []
        with duckdb.connect() as connection:
            return connection.execute(f"select {columns} from {parquet_rows(files)} {rest}").fetchall()

    def waiting(self) -> list[str]:
        """The files that still lie in the landing folder."""
        return sorted(
            path.relative_to(self.settings.landing).as_posix()
            for path in self.settings.landing.rglob("*")
            if not path.is_dir()
        )

    def account(self) -> None:
        """Every batch: accepted + quarantined = received, by its record and by the rows that stand in the files."""
        records = RawStore(self.settings).records()
        for kind in contracts():
            accepted, quarantined = (
                dict(self._rows(folder / kind, "batch_id, count(*)", "group by batch_id"))
                for folder in (self.settings.raw, self.settings.quarantine)
            )
            for record in (record for record in records if record.kind == kind):
                assert record.accepted_count + record.quarantined_count == record.received_count, record
                assert accepted.get(record.batch_id, 0) == record.accepted_count, record
                assert quarantined.get(record.batch_id, 0) == record.quarantined_count, record
            assert set(accepted) | set(quarantined) <= {record.batch_id for record in records}


def make_door(home: Path, **settings: int) -> Door:
    return Door(Settings(project_directory=PROJECT_DIRECTORY, home=home, **{"landing_settle_seconds": 0, **settings}))
