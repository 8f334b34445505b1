"""What became of the cases of one kind of hostile input, and the folder where those that broke a promise are kept."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

REFUSED = "refused"
ACCEPTED = "accepted"


@dataclass(frozen=True)
class Violation:
    """A broken promise.

    Attributes:
        kind: of the input.
        promise: what was broken, in few words.
        detail: what was seen.
        kept: the folder with the case.
    """

    kind: str
    promise: str
    detail: str
    kept: Path

    def sentence(self) -> str:
        """The violation as one line for people."""
        return f"{self.kind}: {self.promise}: {' '.join(self.detail.split())[:400]} ({self.kept})"


@dataclass
class Tally:
    """The cases of one kind of input.

    Attributes:
        kind: what was tried.
        findings: where the cases that break a promise are written.
        fates: how many cases were refused, accepted and otherwise.
        violations: the broken promises.
        figures: what else was counted.
    """

    kind: str
    findings: Path
    fates: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)

    @property
    def cases(self) -> int:
        """How many were tried."""
        return sum(self.fates.values())

    def count(self, fate: str, number: int = 1) -> None:
        """Count cases by their fate."""
        self.fates[fate] += number

    def violate(self, promise: str, detail: str, case: object = None, files: dict[str, bytes] | None = None) -> None:
        """Note a broken promise, and keep the case that broke it: its description as JSON, and its files."""
        folder = self.findings / f"{self.kind.replace(' ', '_')}-{len(self.violations) + 1:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        said = {"kind": self.kind, "promise": promise, "detail": detail, "case": case}
        (folder / "case.json").write_text(json.dumps(said, indent=1, default=repr), encoding="utf-8")
        for number, (name, content) in enumerate((files or {}).items(), start=1):
            (folder / f"{number}{Path(name).suffix[:10]}").write_bytes(content)
        self.violations.append(Violation(self.kind, promise, detail, folder))
