"""`clarilink field-report`: what an exercise did, as a page.

Rule: as for the other commands, arguments in, one call, a line out; errors are the caller's to word.
"""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.command(name="field-report")
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("-o", "--output", "out", type=PATH, help="Folder for the report (default DIR/report).")
@click.option(
    "--asr",
    type=click.Choice(["base", "tiny.en", "moonshine", "none"]),
    default="base",
    show_default=True,
    help="Recogniser that counts words (extra evaluate).",
)
@click.option(
    "--overs",
    type=click.IntRange(0),
    default=60,
    show_default=True,
    help="At most this many overs with players and spectrograms, those that lost most.",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Cores at work.")
def field_report(folder: Path, out: Path | None, asr: str, overs: int, threads: int) -> None:
    """One page on an exercise from the recordings, traces and logs in DIR: report.html, for any browser, offline.

    Stations leave recordings with [record] and traces with [trace] in their files. Names, notes, transcripts and clock
    offsets go into DIR/exercise.toml (docs/field-report.md).
    """
    from gateway.field_report.make import make_report

    def tell(line: str) -> None:
        click.echo(f"clarilink: {line}", err=True)

    made = make_report(folder, out, asr=asr, most_overs=overs, threads=threads, tell=tell)
    for problem in dict.fromkeys(made.results.problems):
        click.echo(f"clarilink: note: {problem}", err=True)
    beside = "" if made.is_whole else " (the sound lies beside it: keep the folder together)"
    click.echo(f"{made.page}: {len(made.results.overs)} overs, {len(made.pictures)} pictures{beside}")
