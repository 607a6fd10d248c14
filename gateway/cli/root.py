"""The command line: arguments in, one call, exit code out.

Rule: imports of torch and of sound happen inside the commands, so `--help` is quick and a machine without a sound
library can still encode.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gateway.cli.channel import channel, channel_control
from gateway.cli.channel_check import channel_check
from gateway.cli.channel_plot import channel_plot
from gateway.cli.check import check
from gateway.cli.ctl import ctl
from gateway.cli.field_report import field_report
from gateway.cli.message import message
from gateway.cli.modem import modem_sim, modem_table, modem_test
from gateway.cli.replay import replay
from gateway.cli.soak import soak
from gateway.cli.sound import devices, sound
from gateway.cli.study import study
from gateway.cli.token import token
from gateway.cli.trace import trace
from gateway.cli.waveform import waveform
from gateway.errors import GatewayError

PATH = click.Path(path_type=Path)


class _Group(click.Group):
    """Turns errors raised on purpose into one line and an exit code; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            click.echo(f"clarilink: {error}", err=True)
            sys.exit(error.exit_code)
        except BrokenPipeError:
            # The reader of our output went away: not our error, but the work is not done either.
            sys.stderr.close()
            sys.exit(GatewayError.exit_code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clarilink")
def main() -> None:
    """Push-to-talk voice at 300 bit/s over modems and emulated satellite and underwater channels."""


weights_option = click.option("--weights", type=PATH, help="Codec weights instead of the packaged ones.")
lookahead_option = click.option(
    "--lookahead", type=click.IntRange(0, 2), help="Frames (80 ms) the encoder looks ahead: more delay, better speech."
)


def _remark(text: str) -> None:
    click.echo(f"clarilink: note: {text}", err=True)


def _codec(weights: Path | None) -> Any:
    import torch

    from gateway.codec import Codec

    # One thread: the steps are too small to share, and the other cores belong to the rest of the machine.
    torch.set_num_threads(1)
    return Codec.load(weights)


@main.command()
@click.argument("source", metavar="IN.wav")
@click.argument("target", metavar="OUT.clk")
@click.option("--raw", is_flag=True, help="Headerless: exactly 3 bytes per 80 ms frame.")
@click.option("--denoise", is_flag=True, help="Suppress noise first (extra denoise).")
@click.option(
    "--search/--no-search",
    default=True,
    show_default=True,
    help="Try digits on the decoder and keep those that a recogniser hears best: several times the computing.",
)
@lookahead_option
@weights_option
def encode(
    source: str, target: str, raw: bool, denoise: bool, search: bool, lookahead: int | None, weights: Path | None
) -> None:
    """Encode a sound file (any rate, any channels; - is standard input) to 300 bit/s."""
    from gateway.audio.denoise import wanted
    from gateway.tools.transcode import encode_file

    if denoise:
        wanted("on")
    done = encode_file(_codec(weights), source, target, raw=raw, lookahead=lookahead, denoise=denoise, search=search)
    for remark in done.remarks:
        _remark(remark)
    click.echo(f"{done.samples / 16000:.2f} s of speech, {done.frames} frames, {done.frames * 3} bytes", err=True)


@main.command()
@click.argument("source", metavar="IN.clk")
@click.argument("target", metavar="OUT.wav")
@click.option("--raw", is_flag=True, help="The input is headerless frames of 3 bytes.")
@click.option("--stage-one", is_flag=True, help="Decode the first 12 bits of each frame only (150 bit/s).")
@weights_option
def decode(source: str, target: str, raw: bool, stage_one: bool, weights: Path | None) -> None:
    """Decode to a 16 kHz WAV while the input arrives (- is standard input or output)."""
    from gateway.tools.transcode import decode_file

    done = decode_file(_codec(weights), source, target, raw=raw, stages=1 if stage_one else 2)
    click.echo(f"{done.frames} frames, {done.samples / 16000:.2f} s of speech", err=True)


@main.command()
@click.argument("source", metavar="[IN.wav]", required=False)
@click.option("-o", "--output", help="WAV of what was heard.")
@click.option("--channel", "channel", default="clean", help="A packaged channel by name, or a TOML file.")
@click.option("--report", type=PATH, help="JSON with the figures.")
@click.option("--plot", type=PATH, help="PNG with spectrograms of both ends.")
@click.option("--realtime", is_flag=True, help="At the speed of speech instead of as fast as possible.")
@click.option("--frames-per-packet", type=click.IntRange(1, 24), default=6, show_default=True)
@click.option(
    "--cushion-ms", type=click.IntRange(0, 10000), default=60, show_default=True, help="Jitter buffer's wait."
)
@click.option("--cap-ms", type=click.IntRange(80, 30000), default=1500, show_default=True, help="Most delay ever kept.")
@click.option(
    "--protection", default="none", help="By name, as a kind with figures (reed-solomon:n=6,k=4), or a TOML file."
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--security",
    type=click.Choice(["none", "authenticate", "authenticate-encrypt"]),
    default="none",
    show_default=True,
    help="Seal packets with a throwaway key.",
)
@click.option("--search", is_flag=True, help="The encoder tries each packet's bits on the decoder before it leaves.")
@lookahead_option
@weights_option
def loopback(
    source: str | None,
    output: str | None,
    channel: str,
    report: Path | None,
    plot: Path | None,
    realtime: bool,
    frames_per_packet: int,
    cushion_ms: int,
    cap_ms: int,
    protection: str,
    seed: int,
    security: str,
    search: bool,
    lookahead: int | None,
    weights: Path | None,
) -> None:
    """The whole path in one process: encode, packets, channel, jitter buffer, decode. A packaged sample by default."""
    from gateway.audio.files import read_audio, write_wav
    from gateway.channel.spec_file import load_channel
    from gateway.protocol.protection_file import load_protection
    from gateway.protocol.security import SecurityMode, Suite
    from gateway.samples import sample_path
    from gateway.tools.loopback import LoopbackOptions, human_report, run_loopback

    spec = load_channel(channel)
    pcm = read_audio(source if source is not None else sample_path(), _remark)
    options = LoopbackOptions(
        frames_per_packet=frames_per_packet,
        cushion_s=cushion_ms / 1000,
        cap_s=cap_ms / 1000,
        seed=seed,
        security=None if security == "none" else Suite(SecurityMode(security)),
        lookahead=lookahead,
        search=search,
        realtime=realtime,
        protection=load_protection(protection),
    )
    result = run_loopback(_codec(weights), pcm, spec, options)
    if output is not None:
        write_wav(output, [result.heard])
    if report is not None:
        report.write_text(json.dumps(result.report.as_dict(), indent=2) + "\n")
    if plot is not None:
        from gateway.tools.plots import plot_in_and_out

        plot_in_and_out(plot, pcm, result.heard, list(result.concealed), f"300 bit/s through channel {spec.name}")
    click.echo(human_report(result.report), err=output == "-")


@main.command()
@click.option("-c", "--config", type=PATH, required=True, help="Station file, for example configs/station-a.toml.")
def run(config: Path) -> None:
    """Run a live station: space talks, q quits."""
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
        from gateway.links.zeromq import curve_keypair

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


@main.command()
@click.option("--json", "json_path", type=PATH, help="Also write the figures as JSON.")
@click.option("--serial", "kind", flag_value="serial", help="Instead: throughput and idle load of serial modems.")
@click.option(
    "--channel", "kind", flag_value="channel", help="Instead: the channel emulator's own delay, and simulated time."
)
@click.option(
    "--station", "kind", flag_value="station", help="Instead: a whole station: start, memory, load idle and talking."
)
@click.option(
    "--sound", "kind", flag_value="sound", help="Instead: two stations with virtual sound cards, from mouth to ear."
)
@click.option("--minutes", type=click.FloatRange(0, 600), help="With --sound: also talk for so long, counting xruns.")
@weights_option
def bench(json_path: Path | None, kind: str | None, minutes: float | None, weights: Path | None) -> None:
    """Speed, memory, start-up and size of the codec on this machine; or figures of another part."""
    from gateway.tools.bench import run_bench, table

    if minutes is not None and kind != "sound":
        raise click.UsageError("--minutes goes with --sound")
    figures: Mapping[str, Any]
    if kind == "sound":
        from gateway.tools.bench_sound import sound_figures

        figures = sound_figures(minutes or 0.0, lambda line: click.echo(line, err=True))
    elif kind == "channel":
        from gateway.tools.channel_bench import channel_figures

        figures = channel_figures()
    elif kind == "serial":
        from gateway.tools.bench_serial import serial_figures

        figures = serial_figures()
    elif kind == "station":
        from gateway.tools.bench_station import station_figures

        figures = station_figures()
    else:
        figures = run_bench(weights).as_dict()
    if json_path is not None:
        json_path.write_text(json.dumps(figures, indent=2) + "\n")
    click.echo(table(figures))


@main.command()
@click.option("--packets", type=click.IntRange(1000), default=20_000, show_default=True, help="Simulated for each row.")
@click.option("--frames-per-packet", type=click.IntRange(1, 24), default=6, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--json", "json_path", type=PATH, help="Also write the figures as JSON.")
@click.option("--speech", type=PATH, help="Then also words lost, on this speech folder with manifest.tsv (slow).")
@click.option("--clips", type=click.IntRange(1), default=100, show_default=True)
@click.option("--asr", default="base,tiny.en", show_default=True, help="Recognisers, comma-separated.")
@click.option("--out", type=PATH, help="Folder for the report and the decoded audio of --speech.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@weights_option
def protection(
    packets: int,
    frames_per_packet: int,
    seed: int,
    json_path: Path | None,
    speech: Path | None,
    clips: int,
    asr: str,
    out: Path | None,
    threads: int,
    weights: Path | None,
) -> None:
    """What each protection costs and what it leaves: simulated against theory, and words lost with --speech."""
    from gateway.tools.protection_report import compare, table

    figures = compare(frames_per_packet, packets, seed)
    if json_path is not None:
        json_path.write_text(json.dumps(figures.as_dict(), indent=2) + "\n")
    click.echo(table(figures))
    if speech is not None:
        import torch

        from gateway.evaluation.evaluate import run_evaluation
        from gateway.tools.protection_words import words_options, words_table

        torch.set_num_threads(1)
        recognisers = tuple(filter(None, asr.split(",")))
        report = run_evaluation(words_options(speech, clips, recognisers, weights, out, threads))
        click.echo(words_table(report))


@main.command()
@click.option("--speech", type=PATH, help="Speech folder with manifest.tsv (default ../shared/speech).")
@click.option(
    "--subset", type=click.Choice(["cv-native", "studio", "other", "all"]), default="cv-native", show_default=True
)
@click.option("--clips", type=click.IntRange(1), default=100, show_default=True)
@click.option("--systems", help="Comma-separated; default: original, 8khz, Codec2 modes, ours at 300 and 150 bit/s.")
@click.option("--channel", "channels", multiple=True, help="Also ours through this channel (name or file); repeatable.")
@click.option(
    "--bit-errors", type=click.FloatRange(0, 0.5), multiple=True, help="Also ours with this share of bits flipped."
)
@click.option("--search", is_flag=True, help="Ours through channels and bit errors with the encoder's search.")
@click.option("--noise", "noise_db", type=float, multiple=True, help="All again with noise this many dB below speech.")
@click.option(
    "--noise-folder",
    type=PATH,
    help="Recordings with manifest.tsv (default: noise, beside the speech, or made-up noise).",
)
@click.option(
    "--reverb",
    "reverb_s",
    type=click.FloatRange(0.05, 5),
    multiple=True,
    help="All again in a room that decays in this many seconds.",
)
@click.option(
    "--band", "bands", type=click.Choice(["hand-microphone"]), multiple=True, help="All again through this microphone."
)
@click.option("--asr", default="base,tiny.en", show_default=True, help="Recognisers, comma-separated.")
@click.option(
    "--measures", default="stoi,pesq,dnsmos,phones", show_default=True, help="Comma-separated; empty for none."
)
@click.option("--speed/--no-speed", default=True, show_default=True, help="Also how fast ours runs here.")
@click.option("--mrt", type=PATH, help="Instead: the rhyme test ABC-MRT16 on this folder of its recordings.")
@click.option("--out", type=PATH, help="Folder for report.json, report.csv, pictures and the decoded audio.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@weights_option
def evaluate(
    speech: Path | None,
    subset: str,
    clips: int,
    systems: str | None,
    channels: tuple[str, ...],
    bit_errors: tuple[float, ...],
    search: bool,
    noise_db: tuple[float, ...],
    noise_folder: Path | None,
    reverb_s: tuple[float, ...],
    bands: tuple[str, ...],
    asr: str,
    measures: str,
    speed: bool,
    mrt: Path | None,
    out: Path | None,
    threads: int,
    weights: Path | None,
) -> None:
    """Words kept and quality of sound, ours and Codec2 on the same clips, in one table."""
    import torch

    from gateway.evaluation.evaluate import EvaluateOptions, run_evaluation
    from gateway.evaluation.report import table

    torch.set_num_threads(1)
    chosen = EvaluateOptions().systems if systems is None else tuple(systems.split(","))
    if mrt is not None:
        from gateway.evaluation.mrt import rhyme_test
        from gateway.evaluation.systems import build_systems

        notes: list[str] = []
        for name, success in rhyme_test(mrt, build_systems(chosen, weights, notes), clips):
            click.echo(f"{name:<16}{success:.3f}")
        for note in notes:
            click.echo(f"note: {note}")
        return
    options = EvaluateOptions(
        speech=speech,
        subset=subset,
        clips=clips,
        systems=chosen,
        channels=channels,
        bit_errors=bit_errors,
        search=search,
        noise_db=noise_db,
        noise=noise_folder,
        reverb_s=reverb_s,
        bands=bands,
        asr=tuple(filter(None, asr.split(","))),
        measures=tuple(filter(None, measures.split(","))),
        speed=speed,
        weights=weights,
        out=out,
        threads=threads,
    )
    click.echo(table(run_evaluation(options)))


main.add_command(channel_check)
main.add_command(channel_plot)
main.add_command(channel)
main.add_command(channel_control)
main.add_command(ctl)
main.add_command(check)
main.add_command(devices)
main.add_command(field_report)
main.add_command(message)
main.add_command(modem_sim)
main.add_command(modem_table)
main.add_command(modem_test)
main.add_command(replay)
main.add_command(soak)
main.add_command(sound)
main.add_command(study)
main.add_command(token)
main.add_command(trace)
main.add_command(waveform)
