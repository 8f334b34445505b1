"""How a release is cited, and whose its parts are.

The notes say what is known of each part and where it comes from. They grant nothing, and they speak of what this
release holds: an index without reconstructed observations is not said to have any.
"""

from __future__ import annotations

import yaml

from city_index.releases.contents import Contents, Edition
from city_index.releases.datapackage import keywords, source_titles
from city_index.releases.manifest import Manifest


def citation(contents: Contents, manifest: Manifest) -> str:
    """The text of CITATION.cff, in version 1.2.0 of the Citation File Format.

    Args:
        contents: what the release holds.
        manifest: the manifest of the release.
    """
    described = [
        "The published tables of one release of City Index: composite indices of cities with their evidence.",
        *_notices(contents),
    ]
    document = {
        "cff-version": "1.2.0",
        "message": "If you use this release, cite it and the assessments that it computes (references), name their "
        "publishers, and say what the abstract says of the data. LICENCE.md has the rights.",
        "title": "City Index",
        "type": "dataset",
        "version": manifest.release_id,
        "date-released": manifest.built_at_utc[:10],
        "authors": [{"name": "City Index"}],
        "abstract": "\n".join(described),
        "keywords": keywords(contents),
        "identifiers": [
            {
                "type": "other",
                "value": f"sha256:{manifest.content_hash}",
                "description": "Content hash of the data tables; equal for equal data.",
            }
        ],
    }
    references = [_reference(edition) for edition in contents.editions if edition.publisher]
    if references:
        document["references"] = references
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)


def licence_notes(contents: Contents, manifest: Manifest) -> str:
    """The text of LICENCE.md.

    Args:
        contents: what the release holds.
        manifest: the manifest of the release.
    """
    parts = "\n".join(f"| {part} | {tables} | {origin} |" for part, tables, origin in _parts(contents))
    said = "\n".join(f"- {_in_markdown(sentence)}" for sentence in _to_be_said(contents))
    sources = "\n".join(f"- {_in_markdown(title)}" for title in source_titles(contents))
    return f"""# Rights and notices of release {manifest.release_id}

City Index has chosen no licence. Without one, nothing here gives you more than the law does: ask before you
redistribute. This project grants no rights over material of others, and cannot; what comes from others stays theirs.
These notes say what is known; they are no legal advice.

## What there is, and where it comes from
| Part | Where | From |
|---|---|---|
{parts}

Sources:
{sources or "- none"}

## What must be said when you reuse it
{said}
"""


def _notices(contents: Contents) -> list[str]:
    """The notice of each edition that has one, under its name."""
    return [f"{edition}: {edition.notice}" for edition in contents.editions if edition.notice]


def _reference(edition: Edition) -> dict[str, object]:
    reference: dict[str, object] = {
        "type": "report",
        "title": edition.title,
        "authors": [{"name": edition.publisher}],
    }
    notes = [f"index {edition.index_code}, edition {edition.edition}", edition.source_document, edition.note]
    return {**reference, "notes": "; ".join(note for note in notes if note)}


def _parts(contents: Contents) -> list[tuple[str, str, str]]:
    """The parts of the release: what, in which tables, from where."""
    standing = contents.standing
    parts = [
        (
            "Index trees and weights",
            "`dim_indicators`",
            "the source of each index; where `weight_status` is `assumed` or `derived`, this project",
        ),
        (
            "Cities: names, provinces, division codes, coordinates",
            "`dim_cities`",
            "names from the city table of the report, provinces and codes from GB/T 2260; coordinates are of the seats "
            "of government, and their origin is not recorded; cities landed by file, from whoever gave the file",
        ),
        (
            "Observations",
            "`fct_indicator_values`",
            "what its columns `source` and `provenance` say, value by value",
        ),
        (
            "Scores, ranks, intervals and all else that is computed; comments",
            "the other `fct_` and `rpt_` tables",
            "this project, from the other parts",
        ),
        ("The code that computes it", "not in this release", "this project"),
    ]
    if contents.holds("rpt_reconciliation", "fct_published_context", "fct_development_milestones"):
        parts.append(
            (
                "Figures and words printed in documents",
                "`rpt_reconciliation`, `fct_published_context`, `fct_development_milestones`",
                "the documents below; the rights in them are their publishers'",
            )
        )
    if contents.holds("fct_cluster_scores"):
        parts.append(
            (
                "GDP, a weight in means of clusters",
                "in `fct_cluster_scores`, not as a table",
                "municipal statistical communiqués of 2019; statistics landed by file, from whoever gave the file",
            )
        )
    if contents.holds("dim_standards"):
        parts.append(
            (
                "Standards by which hospitals are graded",
                "`dim_standards`, `dim_standard_grades`",
                "public documents of the health authorities, named there; maps from grades to scores, this project",
            )
        )
    if standing.is_reconstructed:
        parts.append(
            (
                "Reconstructed observations",
                "where `provenance` is `reconstructed`",
                "a reconstruction. **Not the authors' data**, which are not here",
            )
        )
    if standing.is_synthetic or any(table.standing.is_synthetic for table in contents.tables):
        parts.append(
            (
                "Synthetic records of hospitals and documents",
                "rows with `is_synthetic`",
                "invented by this project; they describe nothing real",
            )
        )
    if contents.holds("meta_batches"):
        parts.append(
            (
                "What was landed by file",
                "rows of the batches in `meta_batches`",
                "whoever gave the file; their terms are not known to this project",
            )
        )
    return parts


def _to_be_said(contents: Contents) -> list[str]:
    standing = contents.standing
    said = [
        f"Name the publisher of the assessment of {edition} beside every ranking: {edition.publisher}."
        for edition in contents.editions
        if edition.publisher
    ]
    if standing.is_reconstructed:
        said.append(
            "Say beside every score made from them that observations are reconstructed and not the authors' data."
        )
    if standing.is_assumed:
        said.append("Say that some weights are assumed and not printed in the source.")
    if standing.is_synthetic:
        said.append("Leave out what is synthetic, or say that it is a demonstration that says nothing of any city.")
    said += [f"The notice of {notice}" for notice in _notices(contents)]
    said.append("Say that the figures are computed by City Index, and name the release; CITATION.cff has its citation.")
    return said


def _in_markdown(text: str) -> str:
    """Text as one line that Markdown shows as it is."""
    plain = " ".join(text.split())
    for character in "\\`*_[]<>|#":
        plain = plain.replace(character, f"\\{character}")
    return plain
