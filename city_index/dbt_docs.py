"""dbt's documentation of the project as one HTML file that needs nothing beside it.

What belongs here: making it as `dbt docs generate --static` does, from dbt's own page, the manifest that the build left
and a catalogue of its tables, and leaving out what says when and where it was made. It is made without dbt, whose start
takes longer than all of this and which would open the database for writing.

The file depends on the code alone, so it is made once for each version of the code and kept beside dbt's manifest.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from city_index.builds import Build, keep_parsed, kept_with_parsed, parsed_folder
from city_index.database import connect
from city_index.errors import CityIndexError
from city_index.settings import Settings

_KEPT = "dbt_docs.html"
_END = "</html>"

# dbt's page, and where in it `dbt docs generate --static` puts the manifest and the catalogue.
_PAGE = "dbt/task/docs/index.html"
_MANIFEST = '"MANIFEST.JSON INLINE DATA"'
_CATALOGUE = '"CATALOG.JSON INLINE DATA"'

# What the page would load from elsewhere. Its tracker is off where dbt's is; these lines hold whatever a manifest says.
_LOADED = (
    ('<link rel="canonical" href="/overview/"/>', ""),
    (
        """<link rel="shortcut icon" href="${require('./assets/favicons/favicon.ico')}"/>""",
        '<link rel="icon" href="data:,">',
    ),
    ("//d1fc8wv8zag5ca.cloudfront.net/2.9.0/sp.js", "data:,"),
    ("fishtownanalytics.sinter-collect.com", "localhost"),
    # Before Angular fills in the name of an icon, a browser takes the braces for an address.
    (' xlink:href="{{', ' ng-attr-href="{{'),
)
_HEAD = '<meta charset="utf-8">'
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; base-uri 'none'; form-action 'none'"
)
_TITLES = (
    ("<title>dbt Docs</title>", "<title>City Index: dbt docs</title>"),
    ('<html dir="ltr" lang="en-US" ', '<html dir="ltr" lang="en" '),
)

# When, where and by whom a manifest was made; of no use to a reader.
_PERSONAL = frozenset(
    {
        *("created_at", "root_path", "build_path", "compiled_path", "generated_at", "run_started_at"),
        *("invocation_id", "invocation_started_at", "user_id", "env"),
    }
)


def write_dbt_docs(settings: Settings, build: Build, path: Path) -> None:
    """Write dbt's documentation of a build's code as one HTML file.

    Args:
        settings: the settings.
        build: the build, which dbt has finished; its database is only read.
        path: the file to write; its folder is there.

    Raises:
        CityIndexError: dbt's page is not as it was when this was written, or the build has no manifest.
    """
    kept = parsed_folder(settings, build.code_version) / _KEPT
    if kept_with_parsed(settings, build.code_version, _KEPT) is None:
        page = dbt_docs_page(build)
        if not keep_parsed(settings, build.code_version, _KEPT, page):
            path.write_text(page, encoding="utf-8")
            return
    shutil.copyfile(kept, path)


def dbt_docs_page(build: Build) -> str:
    """The page of a build, as HTML.

    Raises:
        CityIndexError: see ``write_dbt_docs``.
    """
    try:
        manifest = json.loads((build.dbt_target / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CityIndexError(f"{build.dbt_target} holds no manifest of dbt; run the whole job") from error
    page = Path(distribution("dbt-core").locate_file(_PAGE)).read_text(encoding="utf-8").rstrip()
    if not page.endswith(_END) or any(page.count(place) != 1 for place in (_MANIFEST, _CATALOGUE, _HEAD)):
        raise CityIndexError(
            f"{_PAGE} of the installed dbt-core is not the page that city_index/dbt_docs.py fills; install the "
            "version that requirements.lock names"
        )
    page = page.replace(_HEAD, f'{_HEAD}<meta http-equiv="Content-Security-Policy" content="{_POLICY}">')
    for found, put in (*_LOADED, *_TITLES):
        page = page.replace(found, put)
    catalogue = _catalogue(build, manifest)
    return page.replace(_MANIFEST, _script(_public(manifest))).replace(_CATALOGUE, _script(catalogue))


def _script(value: Any) -> str:
    """A value as JSON inside a script, where no text of it can end the script."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _public(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest without what is personal, and without dbt's own macros, which the page does not show."""
    project = manifest["metadata"]["project_name"]
    own = {section: _of_project(manifest[section], project) for section in ("macros", "docs")}
    public = {
        section: {key: _impersonal(each) for key, each in found.items()} if isinstance(found, dict) else found
        for section, found in {**manifest, **own, "disabled": {}}.items()
    }
    public["metadata"] = {**_impersonal(manifest["metadata"]), "send_anonymous_usage_stats": False}
    return public


def _of_project(found: dict[str, Any], project: str) -> dict[str, Any]:
    return {key: each for key, each in found.items() if each["package_name"] == project}


def _impersonal(node: Any) -> Any:
    return {key: value for key, value in node.items() if key not in _PERSONAL} if isinstance(node, dict) else node


def _catalogue(build: Build, manifest: dict[str, Any]) -> dict[str, Any]:
    """What stands in the database of the nodes and sources of a manifest, in the shape of dbt's ``catalog.json``."""
    by_place = _tables(build)
    named = {
        key: (node["schema"], node["alias"]) for key, node in manifest["nodes"].items() if node.get("relation_name")
    }
    sources = {key: (source["schema"], source["identifier"]) for key, source in manifest["sources"].items()}
    return {
        "metadata": {"dbt_version": manifest["metadata"]["dbt_version"]},
        "nodes": {key: {**by_place[place], "unique_id": key} for key, place in named.items() if place in by_place},
        "sources": {key: {**by_place[place], "unique_id": key} for key, place in sources.items() if place in by_place},
        "errors": None,
    }


def _tables(build: Build) -> dict[tuple[str, str], dict[str, Any]]:
    """The tables and views of a build's database, by schema and name."""
    with connect(databases={"build": build.database}) as connection:
        relations = connection.execute(
            "select schema_name, table_name, 'BASE TABLE', comment from duckdb_tables() where database_name = 'build' "
            "union all "
            "select schema_name, view_name, 'VIEW', comment from duckdb_views() where database_name = 'build'"
        ).fetchall()
        columns = connection.execute(
            # The type of a column of codes names all of them.
            "select schema_name, table_name, column_name, column_index, "
            "case when data_type like 'ENUM(%' then 'ENUM' else data_type end, comment "
            "from duckdb_columns() where database_name = 'build' order by schema_name, table_name, column_index"
        ).fetchall()
        connection.execute("detach build")
    tables: dict[tuple[str, str], dict[str, Any]] = {
        (schema, name): {
            "metadata": {
                "type": kind,
                "schema": schema,
                "name": name,
                "database": "build",
                "comment": comment,
                "owner": None,
            },
            "columns": {},
            "stats": {},
        }
        for schema, name, kind, comment in sorted(relations)
    }
    for schema, name, column, index, data_type, comment in columns:
        if (schema, name) in tables:
            tables[schema, name]["columns"][column] = {
                "type": data_type,
                "index": index,
                "name": column,
                "comment": comment,
            }
    return tables
