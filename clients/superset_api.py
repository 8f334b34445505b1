"""Superset's own REST API, as far as it is used here.

What belongs here: requests and what their answers mean. What is proved with them stands in ``prove_superset``.
"""

from __future__ import annotations

import http.cookiejar
import json
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from city_index.errors import CityIndexError

_TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """What a chart's query gave.

    Attributes:
        rows: the rows, each by column.
        is_cached: whether they came from Superset's cache and not from the database.
    """

    rows: list[dict[str, Any]]
    is_cached: bool


@dataclass
class Superset:
    """A session of a user of Superset.

    Attributes:
        address: where it answers, such as ``http://127.0.0.1:8088``.
    """

    address: str
    _opener: urllib.request.OpenerDirector = field(init=False)
    _headers: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def log_in(self, user: str, password: str) -> None:
        """Log in, and fetch the token that every change has to show.

        Raises:
            CityIndexError: Superset refuses.
        """
        body = {"username": user, "password": password, "provider": "db", "refresh": False}
        token = self.request("POST", "security/login", body)["access_token"]
        self._headers["Authorization"] = f"Bearer {token}"
        self._headers["X-CSRFToken"] = self.request("GET", "security/csrf_token/")["result"]

    def request(self, method: str, path: str, body: dict | None = None) -> Any:
        """One request under ``/api/v1/``; gives the answer's JSON.

        Raises:
            CityIndexError: the answer is an error; the message holds what Superset says.
        """
        data = json.dumps(body).encode() if body is not None else None
        return self._send(method, path, data, {"Content-Type": "application/json"})

    def add_database(self, name: str, uri: str, cache_timeout: int | None) -> int:
        """Add a connection that opens its file read-only; gives its id.

        Args:
            name: its name.
            uri: the file, as SQLAlchemy writes it.
            cache_timeout: for how many seconds its answers are cached; -1 for never, None for Superset's own default.
        """
        body = {
            "database_name": name,
            "sqlalchemy_uri": uri,
            "extra": json.dumps({"engine_params": {"connect_args": {"read_only": True}}}),
            "cache_timeout": cache_timeout,
        }
        return self.request("POST", "database/", body)["id"]

    def add_dataset(self, database: int, table: str) -> int:
        """Add a dataset on a published table; gives its id."""
        return self.request("POST", "dataset/", {"database": database, "schema": "main", "table_name": table})["id"]

    def add_query_dataset(self, database: int, name: str, sql: str) -> int:
        """Add a dataset on a query; gives its id."""
        body = {"database": database, "schema": "main", "table_name": name, "sql": sql}
        return self.request("POST", "dataset/", body)["id"]

    def add_table_chart(self, name: str, dataset: int, columns: list[str], row_limit: int) -> int:
        """Add a chart that lists columns of a dataset; gives its id."""
        query = {"columns": columns, "row_limit": row_limit, "orderby": [[columns[0], True]], "metrics": None}
        form = {
            "viz_type": "table",
            "query_mode": "raw",
            "datasource": f"{dataset}__table",
            "all_columns": columns,
            "row_limit": row_limit,
            "order_by_cols": [json.dumps([columns[0], True])],
        }
        context = {
            "datasource": {"id": dataset, "type": "table"},
            "queries": [query],
            "form_data": form,
            "result_format": "json",
            "result_type": "full",
            "force": False,
        }
        body = {
            "slice_name": name,
            "viz_type": "table",
            "datasource_id": dataset,
            "datasource_type": "table",
            "params": json.dumps(form),
            "query_context": json.dumps(context),
        }
        return self.request("POST", "chart/", body)["id"]

    def query_context(self, chart: int) -> dict[str, Any]:
        """The saved query of a chart."""
        return json.loads(self.request("GET", f"chart/{chart}")["result"]["query_context"])

    def run(self, context: dict[str, Any]) -> Answer:
        """Run the query of a chart as its page does.

        Raises:
            CityIndexError: the query fails.
        """
        (result,) = self.request("POST", "chart/data", context)["result"]
        if result.get("error"):
            raise CityIndexError(f"Superset answers to a chart's query: {result['error']}")
        return Answer(rows=result["data"], is_cached=bool(result["is_cached"]))

    def import_dashboard(self, bundle: bytes) -> None:
        """Import a dashboard with its charts, datasets and database connection.

        Raises:
            CityIndexError: Superset refuses the bundle.
        """
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="formData"; filename="superset_dashboard.zip"\r\n'
            "Content-Type: application/zip\r\n\r\n".encode(),
            bundle,
            f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue'.encode(),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
        content_type = f"multipart/form-data; boundary={boundary}"
        self._send("POST", "dashboard/import/", b"".join(parts), {"Content-Type": content_type})

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(
            f"{self.address}/api/v1/{path}",
            data=data,
            method=method,
            headers={**self._headers, "Referer": self.address, **headers},
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")[:1000]
            raise CityIndexError(f"Superset answers {error.code} to {method} {path}: {said}") from error
