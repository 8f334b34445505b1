"""The report site in a browser: `make pages`.

What belongs here: finding a browser. What is tried in it is ``node/pages.mjs``. Run as
``python -m clients.prove_pages``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from city_index.errors import CityIndexError, NothingPublishable, UsageError
from city_index.settings import Settings
from clients.environments import node_environment, node_pin
from clients.findings import Findings

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def prove(findings: Findings, published: Path, pictures: Path) -> None:
    """Open the site of a release from disk and use it as a reader would.

    Args:
        findings: where what was found goes.
        published: the folder ``published/``.
        pictures: where pictures of the pages at three widths go.

    Raises:
        UsageError: there is no browser, or no Node.js.
        CityIndexError: the packages that drive the browser cannot be installed.
    """
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    node, npm = shutil.which("node"), shutil.which("npm")
    if browser is None or node is None or npm is None:
        raise UsageError("this needs Chromium, node and npm on the PATH; install them with the system's packages")
    installed = node_environment(npm)
    pictures.mkdir(parents=True, exist_ok=True)
    client = f"Chromium by playwright-core {node_pin('playwright-core')}, axe-core {node_pin('axe-core')}"
    findings.run(client, [node, "pages.mjs", published, browser, pictures], installed)


def main() -> None:
    """Try everything, print what was found, and end with 0 where every claim holds."""
    findings = Findings()
    try:
        settings = Settings.from_environment()
        if not (settings.published / "report").is_dir():
            raise NothingPublishable(f"no report is published in {settings.published}; run `make run`")
        pictures = settings.home / "pictures"
        prove(findings, settings.published, pictures)
    except CityIndexError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"\nPages: {findings.summary()}; pictures in {pictures}")
    sys.exit(findings.exit_code)


if __name__ == "__main__":
    main()
