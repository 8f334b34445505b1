"""What renders the project's pages: one way for all of them, in which everything that comes from data is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def html_environment(templates: Path) -> jinja2.Environment:
    """Jinja for the HTML templates of a folder; what a template names and is not given is an error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
