"""CSV that people open in a spreadsheet: with a byte order mark, so that it is read as UTF-8, and with nothing in it
that the spreadsheet would run."""

from __future__ import annotations

import codecs
import shutil
from pathlib import Path

import duckdb

from city_index.database import identifier, quoted

# Text that a spreadsheet would run: a formula character, also full-width or after white space, or a control character.
FORMULA = r"^(\s*[=+\-@＝＋－＠]|[\t\r\n])"


def copy_to_csv(connection: duckdb.DuckDBPyConnection, relation: str, order_by: str, path: Path) -> None:
    """Write the rows of a relation to a CSV file; text that would be run as a formula gets an apostrophe before it.

    Args:
        connection: where the relation is.
        relation: a table or view, as SQL.
        order_by: the order of the rows, as SQL.
        path: the file; another one beside it is written and removed on the way.
    """
    expressions = []
    for name, data_type, *_rest in connection.execute(f"describe select * from {relation}").fetchall():
        column = identifier(name)
        if data_type == "VARCHAR":
            expressions.append(
                f"case when regexp_matches({column}, {quoted(FORMULA)}) then '''' || {column} else {column} end"
                f" as {column}"
            )
        else:
            expressions.append(column)
    body = path.with_name(f".{path.name}.tmp")
    connection.execute(
        f"copy (select {', '.join(expressions)} from {relation} order by {order_by}) to {quoted(body)} "
        "(format csv, header true)"
    )
    with path.open("wb") as target, body.open("rb") as source:
        target.write(codecs.BOM_UTF8)
        shutil.copyfileobj(source, target)
    body.unlink()
