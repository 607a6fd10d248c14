"""`clarilink modem-sim`, `modem-test` and `modem-table`: modems tried without hardware, and with it.

Rule: as for the other commands, arguments in, one call, lines out; errors are the caller's to word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)


def _channel(source: str) -> Any:
    from gateway.channel.spec_file import load_channel

    return load_channel(source)


@click.command(name="modem-sim")
@click.argument("profile", metavar="PROFILE")
@click.option("--pair", is_flag=True, help="Two modems that hear each other; without it one, alone on its air.")
@click.option("--stations", type=click.IntRange(1, 16), help="So many modems on one air.")
@click.option("--channel", default="clean", show_default=True, help="A packaged channel by name, or a TOML file.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what is drawn at random.")
@click.option("--link-a", help="Where the first modem's port appears: a path, or tcp://HOST:PORT.")
@click.option("--link-b", help="Where the second modem's port appears.")
@click.option("--log", "log_bytes", is_flag=True, help="Show all that hosts and modems say to each other.")
def modem_sim(
    profile: str,
    pair: bool,
    stations: int | None,
    channel: str,
    seed: int,
    link_a: str | None,
    link_b: str | None,
    log_bytes: bool,
) -> None:
    """Virtual modems behind serial ports: a packaged profile by name, or its file. `help` lists what can be typed."""
    from gateway.tools.modem_sim import SimOptions, run_simulation

    if pair and stations not in (None, 2):
        raise click.UsageError("--pair is --stations 2: give one of them")
    count = stations if stations is not None else 2 if pair or link_b is not None else 1
    run_simulation(SimOptions(profile, count, _channel(channel), seed, (link_a, link_b), log_bytes), click.echo)


@click.command(name="modem-test")
@click.argument("port", metavar="PORT")
@click.option("-c", "--config", "profile", required=True, help="Modem profile: a packaged one by name, or its file.")
@click.option("--peer", metavar="PORT2", help="Where the other modem is, on this machine: it is made to answer.")
@click.option("--answer", is_flag=True, help="Be the other side of a test, until Ctrl-C.")
@click.option("--report", type=PATH, help="JSON with all figures.")
@click.option("--write-profile", type=PATH, help="A profile (FILE.toml) with the measured figures.")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(1),
    default=45.0,
    show_default=True,
    help="Seconds for a silent modem and for the other side; a modem that dials gets three times that.",
)
@click.option(
    "--seconds",
    "budget_s",
    type=click.FloatRange(5),
    default=60.0,
    show_default=True,
    help="About how long to measure.",
)
def modem_test(
    port: str,
    profile: str,
    peer: str | None,
    answer: bool,
    report: Path | None,
    write_profile: Path | None,
    wait_s: float,
    budget_s: float,
) -> None:
    """Try a modem: does it answer, how fast is it, does live voice fit? Needs another modem that answers.

    The other modem is on this machine (--peer), or another machine runs the same command with --answer.
    """
    from firmware_bridge.probe.tool import ProbeOptions, run_answers, run_test

    if answer and (peer or report or write_profile):
        raise click.UsageError("--answer is for the other side: it goes with none of --peer, --report, --write-profile")
    options = ProbeOptions(port, profile, peer, report, write_profile, wait_s, budget_s)
    (run_answers if answer else run_test)(options, click.echo)


@click.command(name="modem-table")
@click.argument("profiles", metavar="[PROFILE]...", nargs=-1)
@click.option("--channel", default="clean", show_default=True, help="A packaged channel by name, or a TOML file.")
@click.option("--frames-per-packet", type=click.IntRange(1, 24), help="Default: 6, or the next size that fits.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of what is drawn at random.")
@click.option("--json", "json_path", type=PATH, help="Also write the figures as JSON.")
@click.option("--weights", type=PATH, help="Codec weights instead of the packaged ones.")
def modem_table(
    profiles: tuple[str, ...],
    channel: str,
    frames_per_packet: int | None,
    seed: int,
    json_path: Path | None,
    weights: Path | None,
) -> None:
    """Talk through virtual modems of each profile in simulated time: delay, delivered, duty, verdict."""
    import json

    import torch

    from gateway.audio.files import read_audio
    from gateway.codec import Codec
    from gateway.samples import sample_path
    from gateway.tools import modem_table as modems

    torch.set_num_threads(1)
    spec = _channel(channel)
    click.echo(modems.HEAD)
    rows = modems.modem_rows(
        Codec.load(weights),
        read_audio(sample_path(), lambda _: None),
        profiles,
        frames_per_packet=frames_per_packet,
        spec=spec,
        seed=seed,
        done=lambda row: click.echo(modems.line(row)),
    )
    click.echo(modems.LEGEND)
    if json_path is not None:
        json_path.write_text(json.dumps(modems.as_json(rows), indent=2) + "\n")
