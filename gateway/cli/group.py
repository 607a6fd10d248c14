"""Groups of commands as this program shows them: every command with its whole first sentence, under headings.

Rule: `--help` is the manual, so nothing in it is cut to the width of a screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

WHOLE = 1000
"""Longer than any first sentence."""


class CommandGroup(click.Group):
    """Lists its commands under the headings of `sections`, in their order; the rest follow by name."""

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[str]] | None = None, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.sections = dict(sections or {})

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The lists of commands, one column for all their names."""
        named = {name for names in self.sections.values() for name in names}
        rest = [name for name in self.list_commands(ctx) if name not in named]
        width = max(map(len, self.commands), default=0)
        for heading, names in {**self.sections, "Commands": rest}.items():
            if names:
                rows = [(name.ljust(width), self.commands[name].get_short_help_str(WHOLE)) for name in names]
                with formatter.section(heading):
                    formatter.write_dl(rows)
