"""The seeds that hold samples: what is written to them, by which random seeds."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from samples.cities import PROVINCIAL_SEATS
from samples.evidence import evidence_rows
from samples.hospitals import hospital_rows

HOSPITALS_RANDOM_SEED = 20241031
EVIDENCE_RANDOM_SEED = 20241101
EVIDENCE_RECORD_COUNT = 2200


def _csv_text(rows: list[dict[str, str]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def seed_texts() -> dict[str, str]:
    """The text of each seed that holds samples, by the name of its file."""
    evidence = evidence_rows(EVIDENCE_RANDOM_SEED, list(PROVINCIAL_SEATS), EVIDENCE_RECORD_COUNT)
    return {
        "hospitals.csv": _csv_text(hospital_rows(HOSPITALS_RANDOM_SEED)),
        "evidence.csv": _csv_text(list(evidence)),
    }


def write_seed_files(folder: Path) -> dict[str, int]:
    """Write the seeds that hold samples into a folder; gives the number of rows of each file."""
    texts = seed_texts()
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode("utf-8"))
    return {name: text.count("\n") - 1 for name, text in texts.items()}
