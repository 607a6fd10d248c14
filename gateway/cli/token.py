"""`clarilink token`: the file with the token of a web console."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a token; who came in with the old one has to give the new one.")
def token(path: Path, force: bool) -> None:
    """Make the token file of a web console ([web] token_file) and show the token, to be typed once on each phone."""
    from gateway.web.token import make_token

    made = make_token(path, force=force)
    click.echo(f"{path}: readable by its owner only; the token, asked for once on each phone or tablet:")
    click.echo(made)
