"""`clarilink soak`: days of traffic in simulated time, from the command line."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.command()
@click.option("--hours", type=click.FloatRange(0.05, 1000), default=24.0, show_default=True, help="Simulated time.")
@click.option("--channel", default="lossy-satellite", show_default=True, help="A packaged channel or a TOML file.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of what is drawn at random.")
@click.option("--folder", type=PATH, help="Where spools and recordings are left (default: gone afterwards).")
@click.option("--report", type=PATH, help="JSON with all counters.")
@click.option("--weights", type=PATH, help="Codec weights instead of the packaged ones.")
def soak(hours: float, channel: str, seed: int, folder: Path | None, report: Path | None, weights: Path | None) -> None:
    """Let two whole stations live through days of overs, texts, messages, torn links and restarts; everything must add
    up, and memory, threads and files must not grow. Takes some minutes for each ten hours."""
    import logging

    import structlog
    import torch

    from gateway.channel.spec_file import load_channel
    from gateway.codec import Codec
    from gateway.errors import ConfigError, GatewayError
    from gateway.tools.soak import as_dict, run_soak

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    torch.set_num_threads(1)
    spec = load_channel(channel)
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: is not empty; give another --folder")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) if folder is None else folder
        done = run_soak(Codec.load(weights), spec, place, hours, seed, lambda line: click.echo(line, err=True))
    if report is not None:
        report.write_text(json.dumps(as_dict(done), indent=2) + "\n")
    first, last = done.hours[len(done.hours) // 4], done.hours[-1]
    click.echo(f"{done.simulated_s / 3600:.1f} h simulated through {spec.name}: {dict(sorted(done.happened.items()))}")
    for name, counters in done.counters.items():
        heard = f"{counters.get('rx.overs', 0):.0f} heard"
        click.echo(
            f"{name}: {counters.get('tx.overs', 0):.0f} overs, {heard}, {counters.get('rx.packets', 0):.0f} packets in"
        )
    click.echo(f"held: {first.memory_mb:.0f} then {last.memory_mb:.0f} MB, {last.threads} threads, {last.files} files")
    for problem in done.problems:
        click.echo(f"does not add up: {problem}")
    if done.problems:
        raise GatewayError(f"{len(done.problems)} things do not add up")
