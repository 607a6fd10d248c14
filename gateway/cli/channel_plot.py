"""`clarilink channel-plot`: a look at what a channel does before anybody speaks through it.

Rule: as for the other commands, arguments in, one call, lines out; errors are the caller's to word.
"""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.command("channel-plot")
@click.argument("channel", metavar="NAME|FILE")
@click.option("-o", "--output", type=PATH, help="PNG to write (default: the channel's name).")
@click.option("--seconds", type=click.FloatRange(1, 10_000_000), default=600, show_default=True, help="Simulated time.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of what is drawn at random.")
@click.option(
    "--packet-ms", type=click.FloatRange(1, 3_600_000), default=480, show_default=True, help="Between packets."
)
@click.option("--bytes", "n_bytes", type=click.IntRange(1, 65_535), default=22, show_default=True, help="Of a packet.")
def channel_plot(channel: str, output: Path | None, seconds: float, seed: int, packet_ms: float, n_bytes: int) -> None:
    """Plot what a channel does over time: delay, SNR, Doppler, chance of loss, delivered packets, bursts."""
    from gateway.channel.spec_file import load_channel
    from gateway.errors import GatewayError
    from gateway.tools.channel_plot import plot_channel, run_channel, summary

    spec = load_channel(channel)
    target = Path(f"{spec.name}.png") if output is None else output
    if target.suffix.lower() != ".png":
        raise GatewayError(f"{target}: needs a name that ends in .png")
    try:
        run = run_channel(spec, seconds, seed, packet_ms=packet_ms, n_bytes=n_bytes)
    except ValueError as error:
        raise GatewayError(str(error)) from error
    for line in summary(run):
        click.echo(line)
    try:
        plot_channel(target, run, seed)
    except OSError as error:
        raise GatewayError(f"{target}: cannot write: {error.strerror or error}") from error
    click.echo(f"{target}: written")
