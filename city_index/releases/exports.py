"""What stands beside the tables of a release for people and programs: a workbook, a data package, citation and rights.

All of it is read from the release's own database. The manifest lists these files with their checksums, as every other.
"""

from __future__ import annotations

import json
from pathlib import Path

from city_index.releases.citation import citation, licence_notes
from city_index.releases.contents import read_contents, release_database
from city_index.releases.datapackage import data_package
from city_index.releases.manifest import Manifest
from city_index.releases.workbook import write_workbook

WORKBOOK_NAME = "city_index.xlsx"
DATA_PACKAGE_NAME = "datapackage.json"
CITATION_NAME = "CITATION.cff"
LICENCE_NAME = "LICENCE.md"

EXPORT_NAMES = (WORKBOOK_NAME, DATA_PACKAGE_NAME, CITATION_NAME, LICENCE_NAME)


def write_exports(folder: Path, manifest: Manifest, workbook_rows: int) -> None:
    """Write the exports of a release whose tables are complete.

    Equal input gives equal bytes.

    Args:
        folder: the release, with its database and its CSV and Parquet files.
        manifest: the manifest of the release; its files need not be listed yet.
        workbook_rows: the most rows that a table may have to get a sheet of the workbook.
    """
    with release_database(folder) as connection:
        contents = read_contents(connection)
        write_workbook(folder / WORKBOOK_NAME, connection, contents, manifest, workbook_rows)
        package = data_package(folder, connection, contents, manifest)
    text = json.dumps(package, ensure_ascii=False, indent=2) + "\n"
    (folder / DATA_PACKAGE_NAME).write_text(text, encoding="utf-8")
    (folder / CITATION_NAME).write_text(citation(contents, manifest), encoding="utf-8")
    (folder / LICENCE_NAME).write_text(licence_notes(contents, manifest), encoding="utf-8")
