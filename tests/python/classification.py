"""How well the taxonomy sorts evidence: its answers on the labelled sample, and precision and recall by secondary.

The sample, ``labelled_evidence.csv``, was written and labelled without sight of the taxonomy. Run as a program this
prints the tables that docs/evidence.md shows.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from warehouse import Warehouse, compile_project

from city_index.settings import PROJECT_DIRECTORY

SAMPLE = Path(__file__).parent / "labelled_evidence.csv"
NONE = ""

_SEEDS = (
    "evidence_rules",
    "evidence_words",
    "evidence_filters",
    "evidence_status_words",
    "evidence_default_statuses",
    "evidence_stages",
)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def seed(name: str) -> list[dict[str, str]]:
    """The rows of a shipped seed."""
    return read_csv(PROJECT_DIRECTORY / "seeds" / f"{name}.csv")


def taxonomy() -> dict[str, list[dict[str, str]]]:
    """The seeds that evidence is sorted by."""
    return {name: seed(name) for name in _SEEDS}


@dataclass(frozen=True)
class Answer:
    """One record of the sample with what it is and what it was taken for; no tertiary is an empty text."""

    record_id: str
    title: str
    label: str
    found: str
    trace: str
    status: str
    found_status: str

    @property
    def is_right(self) -> bool:
        """Whether the tertiary was found, or rightly none."""
        return self.label == self.found


def classify(warehouse: Warehouse, with_text: bool = True) -> list[Answer]:
    """The answers on the whole sample.

    Args:
        warehouse: compiled up to ``fct_evidence``.
        with_text: whether the texts of records are given, beside their titles.
    """
    sample = read_csv(SAMPLE)
    given = [
        {
            "evidence_id": row["record_id"],
            "city_code": "beijing",
            "title": row["title"],
            "published_on": row["published_on"],
            "kind": row["kind"],
            "publisher": row["publisher"],
            "text": row["text"] if with_text else "",
        }
        for row in sample
    ]
    found = {row["evidence_id"]: row for row in warehouse.run(evidence=given, **taxonomy())}
    return [
        Answer(
            row["record_id"],
            row["title"],
            row["indicator_code"],
            found[row["record_id"]]["indicator_code"] or NONE,
            found[row["record_id"]]["filter_code"] or found[row["record_id"]]["rule_trace"] or "no rule fired",
            row["status"],
            found[row["record_id"]]["status"],
        )
        for row in sample
    ]


def secondaries() -> dict[str, str]:
    """The secondary of each tertiary of the report's index."""
    nodes = [row for row in seed("frameworks") if row["edition"] == "2020"]
    parents = {row["parent_code"] for row in nodes}
    return {row["indicator_code"]: row["parent_code"] for row in nodes if row["indicator_code"] not in parents}


def scores_by_secondary(answers: list[Answer]) -> list[tuple[str, int, int, int, int]]:
    """For each secondary: its records, those sorted to it, the right ones of these, and those of the right tertiary."""
    above = secondaries()
    labelled = Counter(above[answer.label] for answer in answers if answer.label)
    sorted_to = Counter(above[answer.found] for answer in answers if answer.found)
    right = Counter(
        above[answer.found]
        for answer in answers
        if answer.label and answer.found and above[answer.label] == above[answer.found]
    )
    exact = Counter(above[answer.found] for answer in answers if answer.found and answer.is_right)
    return [
        (secondary, labelled[secondary], sorted_to[secondary], right[secondary], exact[secondary])
        for secondary in dict.fromkeys(above.values())
    ]


def markdown(answers: list[Answer]) -> str:
    """The table that docs/evidence.md shows."""
    lines = [
        "| Secondary | Records | Sorted to it | Precision | Recall | To the right tertiary |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    totals = [0, 0, 0, 0]
    for secondary, *counts in scores_by_secondary(answers):
        labelled, sorted_to, right, exact = counts
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        lines.append(
            f"| {secondary} | {labelled} | {sorted_to} | {_share(right, sorted_to)} | "
            f"{_share(right, labelled)} | {_share(exact, labelled)} |"
        )
    labelled, sorted_to, right, exact = totals
    lines.append(
        f"| **all** | {labelled} | {sorted_to} | {_share(right, sorted_to)} | {_share(right, labelled)} | "
        f"{_share(exact, labelled)} |"
    )
    return "\n".join(lines)


def sentence(answers: list[Answer]) -> str:
    """What the table leaves out: records that are no evidence, and statuses."""
    noise = [answer for answer in answers if not answer.label]
    kept_out = sum(not answer.found for answer in noise)
    evidence = [answer for answer in answers if answer.label]
    statuses = sum(answer.status == answer.found_status for answer in evidence)
    return (
        f"Of {len(noise)} records that are no evidence {kept_out} were sorted to no tertiary. "
        f"The status was right for {statuses} of {len(evidence)}."
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "–"


def main() -> None:
    """Print the tables and every mistake with its trace."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(compile_project(Path(folder)), "fct_evidence")
    for with_text in (True, False):
        answers = classify(warehouse, with_text)
        print("with text" if with_text else "titles alone")
        print(markdown(answers))
        print(sentence(answers))
        if with_text and "--mistakes" in sys.argv:
            for answer in answers:
                if not answer.is_right:
                    print(f"{answer.record_id} {answer.label or '-'} <> {answer.found or '-'}: {answer.title}")
                    print(f"    {answer.trace}")


if __name__ == "__main__":
    main()
