"""The chain of a score as one page to click through, which needs nothing beside it."""

from __future__ import annotations

from pathlib import Path

from city_index.explain import Explanation

_TEMPLATES = Path(__file__).parent / "templates"


def explanation_page(explanation: Explanation) -> str:
    """The page as HTML; everything that comes from files is escaped, and only web addresses become links."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("explanation.html.jinja").render(explanation=explanation)
