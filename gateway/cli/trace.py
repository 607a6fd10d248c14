"""`clarilink trace`: what a field tester does with recorded traces.

Rule: as for the other commands, arguments in, one call, lines out; errors are the caller's to word.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gateway.cli.group import CommandGroup

PATH = click.Path(path_type=Path)
trace_argument = click.argument("source", metavar="FILE.trace", type=PATH)
direction_option = click.option(
    "--direction", default="", help='Of the trace, as `info` names it ("alpha > bravo"); default: the busiest.'
)


@click.group(cls=CommandGroup)
def trace() -> None:
    """Recorded traces of links: record, import, info, fit, replay, join, plot, export."""


@trace.command()
@click.option("-c", "--config", type=PATH, required=True, help="Station file; its link is opened, nothing is sent.")
@click.option("-o", "--output", type=PATH, help="File or folder, over what [trace] record says (default: traces).")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so long; default: until interrupted.")
def record(config: Path, output: Path | None, seconds: float | None) -> None:
    """Record what a link hears, without codec and sound. (A station records while it runs with [trace] record.)"""
    from gateway.tools.trace_record import record_link

    click.echo(record_link(config, output, seconds, lambda line: click.echo(f"clarilink: {line}", err=True)))


@trace.command(name="import")
@click.argument("source", metavar="FILE", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Trace to write.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["auto", "trace", "csv", "json", "linkem", "mahimahi", "ping"]),
    default="auto",
    show_default=True,
    help="What FILE is.",
)
@click.option(
    "--map",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN[:UNIT]",
    help="delay=Latency:ms; by number: at=1; repeatable.",
)
@click.option("--delimiter", help="Between columns; default: found out. `tab` for tabulators.")
@click.option("--no-header", is_flag=True, help="The first row is no header; --map then goes by number.")
@click.option(
    "--interval-s", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help="Without times."
)
@click.option("--station", default="here", show_default=True, help="Name of this end.")
@click.option("--peer", default="there", show_default=True, help="Name of the other end.")
@click.option("--halve", is_flag=True, help="Half of each round trip is the delay.")
def import_(
    source: Path,
    output: Path,
    kind: str,
    columns: tuple[str, ...],
    delimiter: str | None,
    no_header: bool,
    interval_s: float,
    station: str,
    peer: str,
    halve: bool,
) -> None:
    """Read another format: CSV, LENS/IRTT, Link'Em, Mahimahi, UnetStack, ping; gzipped or not."""
    from gateway.traces import TraceWriter
    from gateway.traces.importing import ImportOptions, import_file

    options = ImportOptions(
        format=kind,
        columns=dict(_mapping(item) for item in columns),
        delimiter="\t" if delimiter == "tab" else delimiter,
        has_header=not no_header,
        interval_s=interval_s,
        station=station,
        peer=peer,
        halve_round_trips=halve,
    )
    imported = import_file(source, options)
    with TraceWriter(output, imported.header, max_bytes=1 << 40) as writer:
        writer.write_rows(imported.table.rows())
    click.echo(f"{writer.path}: {imported.report.rows} records")
    for line in imported.report.lines():
        click.echo(line, err=True)


def _mapping(item: str) -> tuple[str, tuple[str, str]]:
    field, equals, column = item.partition("=")
    name, colon, unit = column.rpartition(":")
    if not equals or not field or not column:
        raise click.BadParameter(f"{item!r}: needs FIELD=COLUMN or FIELD=COLUMN:UNIT", param_hint="--map")
    return field, (name, unit) if colon else (column, "")


@trace.command()
@click.argument("sources", metavar="FILE.trace...", type=PATH, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Figures as JSON.")
def info(sources: tuple[Path, ...], as_json: bool) -> None:
    """Who, when, how many packets, loss, bursts and delays of each direction."""
    from gateway.traces.load import load_trace
    from gateway.traces.statistics import fit_path
    from gateway.traces.words import info_lines

    traces = [load_trace(source) for source in sources]
    if as_json:
        figures = {
            str(one.path): {name: fit_path(flights).as_dict() for name, flights in one.flights.items()}
            for one in traces
        }
        click.echo(json.dumps(figures, indent=2))
        return
    for one in traces:
        for line in info_lines(one):
            click.echo(line)


@trace.command()
@trace_argument
@direction_option
@click.option("-o", "--output", type=PATH, help="Channel file with the fitted figures.")
def fit(source: Path, direction: str, output: Path | None) -> None:
    """Loss, bursts, Gilbert-Elliott chances with intervals, delays; and a channel file that does the same."""
    from gateway.errors import TraceError
    from gateway.traces.load import load_trace
    from gateway.traces.statistics import channel_toml, fit_path
    from gateway.traces.words import fit_lines

    loaded = load_trace(source)
    fitted = fit_path(loaded.direction(direction))
    for line in fit_lines(fitted):
        click.echo(line)
    if fitted.enter is not None and fitted.leave is not None:
        click.echo(
            f"  after a packet that came the next is lost: {fitted.enter}; after a lost one it comes: {fitted.leave}"
        )
    if output is not None:
        try:
            output.write_text(channel_toml(fitted, source.name), encoding="utf-8")
        except ValueError as error:
            raise TraceError(f"{source}: {error}") from error
        except OSError as error:
            raise TraceError(f"{output}: cannot be written: {error.strerror or error}") from error
        click.echo(f"{output}: use it with `clarilink loopback --channel {output}` or [channel] file")


@trace.command()
@trace_argument
@direction_option
@click.option("-o", "--output", type=PATH, help="Write a channel file that replays it; default: <trace>.toml")
@click.option("--end", type=click.Choice(["wrap", "stop"]), default="wrap", show_default=True, help="At its end.")
@click.option("--offset-s", default="0", show_default=True, help='Where to begin, or "random".')
@click.option("--window-s", type=float, help="How much of it.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="2: twice as fast.")
@click.option(
    "--by", type=click.Choice(["auto", "time", "packet"]), default="auto", show_default=True, help="What moves it on."
)
@click.option("--seed", type=int, help="Of what is drawn; default: the channel's own.")
def replay(
    source: Path,
    direction: str,
    output: Path | None,
    end: str,
    offset_s: str,
    window_s: float | None,
    speed: float,
    by: str,
    seed: int | None,
) -> None:
    """Make a channel file that replays a trace, for stations, the channel process, `loopback` and `evaluate`."""
    from gateway.tools.trace_replay import write_replay

    chosen = {"direction": direction, "end": end, "window_s": window_s, "speed": speed, "by": by, "seed": seed}
    target = source.with_suffix(".toml") if output is None else output
    for line in write_replay(source, target, offset_s, chosen):
        click.echo(line)


@trace.command()
@click.argument("first", metavar="A.trace", type=PATH)
@click.argument("second", metavar="B.trace", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Trace to write.")
@click.option(
    "--min-delay-ms",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Shortest delay, if all is one way.",
)
@click.option(
    "--clocks",
    type=click.Choice(["packets", "calendar"]),
    default="packets",
    show_default=True,
    help="Align by packets, or trust both calendars (GPS, NTP, one machine).",
)
def join(first: Path, second: Path, output: Path, min_delay_ms: float, clocks: str) -> None:
    """What two stations recorded of one link, as one trace: each packet delivered or lost, with its delay."""
    from gateway.traces import TraceWriter
    from gateway.traces.join import ClockSource
    from gateway.traces.join import join as join_traces
    from gateway.traces.load import load_trace

    joined = join_traces(load_trace(first), load_trace(second), min_delay_ms / 1000, ClockSource(clocks))
    with TraceWriter(output, joined.header, max_bytes=1 << 40) as writer:
        writer.write_all(joined.records)
    for note in joined.notes:
        click.echo(note)
    click.echo(f"{writer.path}: {len(joined.records)} records")


@trace.command()
@trace_argument
@click.option("-o", "--output", type=PATH, help="PNG, or HTML with figures; default: <trace>.png")
@click.option("--heard", type=PATH, help="Sound file: its spectrogram below, what was heard of it.")
def plot(source: Path, output: Path | None, heard: Path | None) -> None:
    """Loss, delay and SNR over time and bursts of each direction, in one picture."""
    from gateway.traces.load import load_trace
    from gateway.traces.plot import Heard, plot_trace

    sound = None
    if heard is not None:
        from gateway.audio.base import SAMPLE_RATE_HZ
        from gateway.audio.files import read_audio

        sound = Heard(heard.name, read_audio(heard), SAMPLE_RATE_HZ)
    target = source.with_suffix(".png") if output is None else output
    plot_trace(load_trace(source), target, sound)
    click.echo(str(target))


@trace.command()
@trace_argument
@click.option("-o", "--output", help="CSV; default: standard output.")
def export(source: Path, output: str | None) -> None:
    """All records as CSV, in the columns of docs/traces.md; `import` reads it back."""
    from gateway.traces.export import export_csv, write_csv
    from gateway.traces.load import load_trace

    loaded = load_trace(source)
    if loaded.damage:
        click.echo(f"clarilink: note: {loaded.damage}", err=True)
    if output is None or output == "-":
        write_csv(loaded.table, sys.stdout)
    else:
        export_csv(loaded.table, Path(output))
        click.echo(f"{output}: {len(loaded.table)} records")
