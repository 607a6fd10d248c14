"""`clarilink encode`, `decode` and `loopback`: the codec on files, and the whole path in one process.

Rule: as for the other commands, arguments in, one call, a line out; errors are the caller's to word.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)
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


@click.command()
@click.argument("source", metavar="IN.wav")
@click.argument("target", metavar="OUT.clk")
@click.option("--raw", is_flag=True, help="Headerless: exactly 3 bytes per 80 ms frame.")
@click.option("--denoise", is_flag=True, help="Suppress noise first (extra denoise).")
@click.option(
    "--search",
    "search",
    flag_value="full",
    default="full",
    help="Try digits on the decoder and keep those a recogniser hears best: several times the computing; the default.",
)
@click.option("--quick-search", "search", flag_value="quick", help="The same in half the steps.")
@click.option("--thorough-search", "search", flag_value="thorough", help="The same in four times the steps.")
@click.option("--no-search", "search", flag_value="none", help="Take the first guess.")
@lookahead_option
@weights_option
def encode(
    source: str, target: str, raw: bool, denoise: bool, search: str, lookahead: int | None, weights: Path | None
) -> None:
    """Encode a sound file (any rate, any channels; - is standard input) to 300 bit/s."""
    from gateway.audio.denoise import wanted
    from gateway.codec import SearchSettings
    from gateway.tools.transcode import encode_file

    if denoise:
        wanted("on")
    settings = {
        "full": SearchSettings(),
        "quick": SearchSettings.quick(),
        "thorough": SearchSettings.thorough(),
    }.get(search)
    done = encode_file(_codec(weights), source, target, raw=raw, lookahead=lookahead, denoise=denoise, search=settings)
    for remark in done.remarks:
        _remark(remark)
    click.echo(f"{done.samples / 16000:.2f} s of speech, {done.frames} frames, {done.frames * 3} bytes", err=True)


@click.command()
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


@click.command()
@click.argument("source", metavar="[IN.wav]", required=False)
@click.option("-o", "--output", help="WAV of what was heard.")
@click.option("--channel", "channel", default="clean", help="A packaged channel by name, or a TOML file.")
@click.option("--report", type=PATH, help="JSON with the figures.")
@click.option("--plot", type=PATH, help="PNG with spectrograms of both ends.")
@click.option("--realtime", is_flag=True, help="At the speed of speech instead of as fast as possible.")
@click.option("--frames-per-packet", type=click.IntRange(1, 24), default=6, show_default=True, help="Of 80 ms each.")
@click.option(
    "--cushion-ms", type=click.IntRange(0, 10000), default=60, show_default=True, help="Jitter buffer's wait."
)
@click.option("--cap-ms", type=click.IntRange(80, 30000), default=1500, show_default=True, help="Most delay ever kept.")
@click.option(
    "--protection", default="none", help="By name, as a kind with figures (reed-solomon:n=6,k=4), or a TOML file."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of what is drawn at random.")
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
