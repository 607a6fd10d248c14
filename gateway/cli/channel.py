"""`clarilink channel` and `clarilink channel-control`: the emulator between stations, and hands on it while it runs.

Rule: as for the other commands, arguments in, one call, a line out; errors are the caller's to word.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gateway.cli.group import CommandGroup
from gateway.errors import GatewayError

PATH = click.Path(path_type=Path)


@click.command()
@click.option(
    "-c", "--config", type=PATH, required=True, help="Channel file, for example configs/net/lossy-satellite.toml."
)
@click.option("--log", "is_log", is_flag=True, help="Log lines also on a terminal, instead of a table.")
def channel(config: Path, is_log: bool) -> None:
    """Run the channel emulator between ZeroMQ stations until interrupted."""
    from gateway.channel_app import run_channel

    run_channel(config, is_log=is_log)


@click.group(name="channel-control", cls=CommandGroup)
@click.argument("endpoint")
@click.option("--key", type=PATH, help="Own secret CURVE key file, where the channel has a [curve] section.")
@click.option("--server-key", help="The channel's public CURVE key: 40 characters, or its .public file.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, 600),
    default=3.0,
    show_default=True,
    help="Seconds to wait for an answer.",
)
@click.option("--json", "is_json", is_flag=True, help="Answers as they come.")
@click.pass_context
def channel_control(
    ctx: click.Context, endpoint: str, key: Path | None, server_key: str | None, timeout_s: float, is_json: bool
) -> None:
    """Look into a running channel process, and change it, at its `control` ENDPOINT.

    A PATH is `alpha>bravo` (one direction; quote it), `alpha<>bravo` (both), `alpha` (all from and to it) or `'*'`.
    """
    from gateway.channel_app import ControlClient

    ctx.obj = (ControlClient(endpoint, key, server_key, timeout_s), is_json)


def _ask(ctx: click.Context, request: dict[str, Any]) -> dict[str, Any]:
    client, is_json = ctx.obj
    reply: dict[str, Any] = client.ask(request)
    if is_json:
        click.echo(json.dumps(reply))
    return reply


def _done(ctx: click.Context, what: str, request: dict[str, Any]) -> None:
    reply = _ask(ctx, request)
    if not ctx.obj[1]:
        click.echo(f"{what}: {reply['paths']} path{'' if reply['paths'] == 1 else 's'} in use, and any to come")


@channel_control.command()
@click.argument("path", default="*")
@click.pass_context
def status(ctx: click.Context, path: str) -> None:
    """Stations, and figures of the paths."""
    from gateway.links.channel_statistics import HEAD, path_line

    net = _ask(ctx, {"do": "status"})
    rows: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        page = _ask(ctx, {"do": "paths", "path": path, "offset": offset})
        rows += page["paths"]
        offset = page["next"]
    if ctx.obj[1]:
        return
    late = net["late_ms"]
    names = ", ".join(station["name"] for station in net["stations"]) or "no station"
    click.echo(f"{net['channel']}, running for {net['running_s']:.0f} s, with {names}")
    late_text = "" if late is None else f"; packets {late['p99']:.1f} ms late (p99), {late['p100']:.1f} at most"
    dropped = "".join(f", {count} {reason}" for reason, count in net["dropped"].items())
    click.echo(f"{net['collisions']} collisions{dropped}{late_text}")
    click.echo("\n".join([HEAD, *map(path_line, rows)]) if rows else "no packet yet")


@channel_control.command(name="set")
@click.argument("path")
@click.argument("figures", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.pass_context
def set_figures(ctx: click.Context, path: str, figures: tuple[str, ...]) -> None:
    """Other figures from now on, keys as in a channel file: `set '*' loss=0.2 mean_burst=3`, `set a>b preset=geo`,
    `set a 'model={kind = "lutz"}'`; `rate_bps=none` takes one away."""
    _done(ctx, "set", {"do": "set", "path": path, "figures": dict(map(_figure, figures))})


def _figure(text: str) -> tuple[str, Any]:
    import tomllib

    key, equals, value = text.partition("=")
    if not equals:
        raise GatewayError(f"{text!r}: needs KEY=VALUE, such as loss=0.2")
    if value == "none":
        return key, None
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value  # a word without quotes


@channel_control.command()
@click.argument("path")
@click.pass_context
def cut(ctx: click.Context, path: str) -> None:
    """Let nothing through; what is under way is lost, too."""
    _done(ctx, "cut", {"do": "cut", "path": path})


@channel_control.command()
@click.argument("path")
@click.pass_context
def restore(ctx: click.Context, path: str) -> None:
    """End a cut."""
    _done(ctx, "restored", {"do": "restore", "path": path})


@channel_control.command()
@click.argument("path", default="*")
@click.pass_context
def reset(ctx: click.Context, path: str) -> None:
    """Count anew."""
    _done(ctx, "counting anew", {"do": "reset", "path": path})
