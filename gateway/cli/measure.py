"""`clarilink bench`, `protection` and `evaluate`: what a machine, a protection and the codec are worth, in figures.

Rule: as for the other commands, arguments in, one call, a table out; errors are the caller's to word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gateway.cli.speech import weights_option

PATH = click.Path(path_type=Path)


@click.command()
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


@click.command()
@click.option("--packets", type=click.IntRange(1000), default=20_000, show_default=True, help="Simulated for each row.")
@click.option("--frames-per-packet", type=click.IntRange(1, 24), default=6, show_default=True, help="Of 80 ms each.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of what is drawn at random.")
@click.option("--json", "json_path", type=PATH, help="Also write the figures as JSON.")
@click.option("--speech", type=PATH, help="Then also words lost, on this speech folder with manifest.tsv (slow).")
@click.option("--clips", type=click.IntRange(1), default=100, show_default=True, help="Of speech, for each row.")
@click.option("--asr", default="base,tiny.en,moonshine", show_default=True, help="Recognisers, comma-separated.")
@click.option("--out", type=PATH, help="Folder for the report and the decoded audio of --speech.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Cores at work.")
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


@click.command()
@click.option("--speech", type=PATH, help="Speech folder with manifest.tsv (default ../shared/speech).")
@click.option(
    "--subset",
    type=click.Choice(["cv-native", "non-native", "studio", "other", "all"]),
    default="cv-native",
    show_default=True,
    help="Which clips of the folder.",
)
@click.option("--clips", type=click.IntRange(1), default=100, show_default=True, help="Of speech, for each row.")
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
@click.option(
    "--overdriven",
    "overdrive_db",
    type=click.FloatRange(0, 60),
    multiple=True,
    help="All again with peaks cut off this many dB below the highest.",
)
@click.option("--asr", default="base,tiny.en,moonshine", show_default=True, help="Recognisers, comma-separated.")
@click.option(
    "--measures",
    default="stoi,pesq,dnsmos,phones",
    show_default=True,
    help="Comma-separated; empty for none; also nats, how improbable words become (fewer are better).",
)
@click.option("--speed/--no-speed", default=True, show_default=True, help="Also how fast ours runs here.")
@click.option("--mrt", type=PATH, help="Instead: the rhyme test ABC-MRT16 on this folder of its recordings.")
@click.option("--out", type=PATH, help="Folder for report.json, report.csv, clips.csv, pictures and the decoded audio.")
@click.option(
    "--against", type=PATH, help="The --out of an earlier run: also how much more each figure is, clip by clip."
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Cores at work.")
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
    overdrive_db: tuple[float, ...],
    asr: str,
    measures: str,
    speed: bool,
    mrt: Path | None,
    out: Path | None,
    against: Path | None,
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
        overdrive_db=overdrive_db,
        asr=tuple(filter(None, asr.split(","))),
        measures=tuple(filter(None, measures.split(","))),
        speed=speed,
        weights=weights,
        out=out,
        against=against,
        threads=threads,
    )
    click.echo(table(run_evaluation(options)))
