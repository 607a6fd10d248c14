"""`clarilink channel-check`: the models of a medium against what is published, as pictures.

Rule: as for the other commands, arguments in, one call, lines out; errors are the caller's to word.
"""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="channel-check")
@click.argument("medium", type=click.Choice(["underwater", "satellite", "radio"]))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the PNGs; made if it is not there.",
)
def channel_check(medium: str, output: Path) -> None:
    """Draw what the channel models compute beside published figures, and say how near they come."""
    from gateway.tools.channel_check import check

    for line in check(medium, output):
        click.echo(line)
