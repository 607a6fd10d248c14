"""The command line: arguments in, one call, exit code out.

Rule: imports of torch and of sound happen inside the commands, so `--help` is quick and a machine without a sound
library can still encode.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from gateway.cli.channel import channel, channel_control
from gateway.cli.channel_check import channel_check
from gateway.cli.channel_plot import channel_plot
from gateway.cli.check import check
from gateway.cli.ctl import ctl
from gateway.cli.field_report import field_report
from gateway.cli.group import CommandGroup
from gateway.cli.measure import bench, evaluate, protection
from gateway.cli.message import message
from gateway.cli.modem import modem_sim, modem_table, modem_test
from gateway.cli.replay import replay
from gateway.cli.soak import soak
from gateway.cli.sound import devices, sound
from gateway.cli.speech import decode, encode, loopback
from gateway.cli.stderr import keep_stderr
from gateway.cli.study import study
from gateway.cli.token import token
from gateway.cli.trace import trace
from gateway.cli.waveform import waveform
from gateway.errors import GatewayError

PATH = click.Path(path_type=Path)


class _Group(CommandGroup):
    """Turns errors raised on purpose into one line and an exit code; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        keep_stderr()
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            click.echo(f"clarilink: {error}", err=True)
            sys.exit(error.exit_code)
        except BrokenPipeError:
            # The reader of our output went away: not our error, but the work is not done either.
            sys.stderr.close()
            sys.exit(GatewayError.exit_code)


SECTIONS = {
    "A station": ("run", "ctl", "message", "replay", "field-report"),
    "Set it up": ("check", "devices", "sound", "ports", "keygen", "token", "airtime"),
    "Sound files": ("encode", "decode", "loopback"),
    "Modems": ("modem-test", "modem-table", "modem-sim", "waveform"),
    "Channels": ("channel", "channel-control", "channel-plot", "channel-check", "trace"),
    "Figures": ("bench", "protection", "evaluate", "study", "soak"),
}


@click.group(cls=_Group, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clarilink")
def main() -> None:
    """Push-to-talk voice at 300 bit/s over modems and emulated satellite and underwater channels."""


@main.command()
@click.option("-c", "--config", type=PATH, required=True, help="Station file, for example configs/station-a.toml.")
def run(config: Path) -> None:
    """Run a live station: space talks, q quits."""
    from gateway.memory import hold_little

    hold_little()  # before numpy and torch start threads
    from gateway.app import run_station

    run_station(config)


@main.command()
@click.option("-c", "--config", type=PATH, required=True, help="Station, modem, channel or net file.")
@click.option("--protection", help="Full table of this protection instead of the file's own (crc, security...).")
@click.option("--all", "everything", is_flag=True, help="Full tables of all protections.")
@click.option("--json", "json_path", type=PATH, help="Also write all rows as JSON.")
def airtime(config: Path, protection: str | None, everything: bool, json_path: Path | None) -> None:
    """Which packet sizes and protections sustain live voice on a link, with delay and share of its time."""
    from gateway.tools.airtime_table import as_json, load_plans, text

    plans = load_plans(config)
    if json_path is not None:
        json_path.write_text(json.dumps(as_json(plans), indent=2) + "\n")
    click.echo(text(plans, protection, everything=everything))


@main.command()
@click.argument("path", metavar="[FILE]", type=PATH, default="net.key")
@click.option("--force", is_flag=True, help="Overwrite: the key that was there is gone.")
@click.option("--add", is_flag=True, help="Add a key to the file: accepted at once, not yet sending.")
@click.option("--use", type=int, metavar="ID", help="Let this key of the file send.")
@click.option("--drop", type=int, metavar="ID", help="Accept this key no longer.")
@click.option("--curve", is_flag=True, help="Instead: a ZeroMQ CURVE key pair, FILE and FILE.public.")
def keygen(path: Path, force: bool, add: bool, use: int | None, drop: int | None, curve: bool) -> None:
    """Make the key file of a net (net.key), or change the keys in it; with --curve, a ZeroMQ key pair."""
    from gateway import keys

    if add + (use is not None) + (drop is not None) + curve > 1:
        raise click.UsageError("one of --add, --use, --drop and --curve at a time")
    if curve:
        from gateway.links.sockets import curve_keypair

        pair = keys.CurvePair(*curve_keypair())
        public = keys.save_curve(path, pair, force=force)
        click.echo(f"{path}: secret, stays here; {public}: for those who connect: {pair.public}")
        return
    if add:
        key = keys.add_key(path)
        click.echo(f"{path}: key {key.key_id} added; bring the file to every station, then `--use {key.key_id}`")
    elif use is not None:
        keys.use_key(path, use)
    elif drop is not None:
        keys.drop_key(path, drop)
    else:
        keys.make_keys(path, force=force)
    for line in keys.describe(keys.load_keys(path)):
        click.echo(line)


@main.command()
@click.option("-c", "--config", type=PATH, help="With --log: the modem profile whose driver reads it again.")
@click.option("--log", "log", type=PATH, help="Instead: print this raw log (`raw_log` in [link]).")
def ports(config: Path | None, log: Path | None) -> None:
    """List serial ports by names that stay the same, and who uses them; or print or replay a raw log."""
    if log is None:
        from firmware_bridge.ports import list_found_ports

        found = list_found_ports()
        for port in found:
            click.echo(str(port))
        if not found:
            click.echo("no serial ports; tcp://HOST:PORT and rfc2217://HOST:PORT always work")
        return
    from firmware_bridge.raw_log import printable, read_log

    if config is None:
        for line in printable(read_log(log)):
            click.echo(line)
        return
    from firmware_bridge.replay import replay_lines

    for line in replay_lines(config, log):
        click.echo(line)


for command in (
    bench,
    channel,
    channel_check,
    channel_control,
    channel_plot,
    check,
    ctl,
    decode,
    devices,
    encode,
    evaluate,
    field_report,
    loopback,
    message,
    modem_sim,
    modem_table,
    modem_test,
    protection,
    replay,
    soak,
    sound,
    study,
    token,
    trace,
    waveform,
):
    main.add_command(command)
