"""The chain of a score as one page to click through, which needs nothing beside it."""

from __future__ import annotations

from pathlib import Path

from city_index.explain import Explanation
from city_index.html import html_environment

_TEMPLATES = Path(__file__).parent / "templates"


def explanation_page(explanation: Explanation) -> str:
    """The page as HTML; everything that comes from files is escaped, and only web addresses become links."""
    return html_environment(_TEMPLATES).get_template("explanation.html.jinja").render(explanation=explanation)
