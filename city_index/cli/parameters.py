"""What the commands take as a name: of a city, an indicator, an index, an edition or a release."""

from __future__ import annotations

import click

from city_index.weights_file import in_quotes


class _Name(click.ParamType):
    """Text that something published could be called."""

    name = "text"

    def convert(self, value: str, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """The name as it was given.

        Raises:
            click.BadParameter: its bytes are no text, and no database can be asked for it.
        """
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            self.fail(f"{in_quotes(value)} is not UTF-8; nothing is called that", parameter, context)
        return value


NAME = _Name()
