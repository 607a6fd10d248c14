"""`clarilink study`: which protection and packet size suit which channel, from the command line.

Rule: as for the other commands, arguments in, one call, a line out; errors are the caller's to word.
"""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.command()
@click.option("--channel", "channels", multiple=True, help="Preset or file; repeatable (default: clean, lossy ones).")
@click.option("--protection", "protections", multiple=True, help="Preset, kind with figures, or file; repeatable.")
@click.option(
    "--frames-per-packet", "sizes", multiple=True, type=click.IntRange(1, 24), help="Of 80 ms; repeatable (default 6)."
)
@click.option(
    "--no-audio", is_flag=True, help="Packets only: loss after repair, delay, rate; seconds instead of hours."
)
@click.option(
    "--seconds", type=click.FloatRange(10), default=3600, show_default=True, help="Simulated a cell, with --no-audio."
)
@click.option("--seed", type=int, default=1, show_default=True, help="With --no-audio; clips have seeds of their own.")
@click.option("--speech", type=PATH, help="Speech folder with manifest.tsv (default ../shared/speech).")
@click.option(
    "--subset",
    type=click.Choice(["cv-native", "non-native", "studio", "other", "all"]),
    default="cv-native",
    show_default=True,
    help="Which clips of the folder.",
)
@click.option("--clips", type=click.IntRange(1), default=20, show_default=True, help="Of speech, in each cell.")
@click.option("--asr", default="tiny.en", show_default=True, help="Recognisers, comma-separated; the first decides.")
@click.option("--search", is_flag=True, help="With the encoder's search, as a fast station sends.")
@click.option(
    "--cushion-ms", type=click.IntRange(0, 10000), default=60, show_default=True, help="Jitter buffer's wait."
)
@click.option("--cap-ms", type=click.IntRange(80, 30000), default=1500, show_default=True, help="Most delay ever kept.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Cores at work.")
@click.option("--weights", type=PATH, help="Codec weights instead of the packaged ones.")
@click.option("--out", type=PATH, default=Path("study-out"), show_default=True, help="Cells done, CSV, PNG, verdict.")
def study(
    channels: tuple[str, ...],
    protections: tuple[str, ...],
    sizes: tuple[int, ...],
    no_audio: bool,
    seconds: float,
    seed: int,
    speech: Path | None,
    subset: str,
    clips: int,
    asr: str,
    search: bool,
    cushion_ms: int,
    cap_ms: int,
    threads: int,
    weights: Path | None,
    out: Path,
) -> None:
    """Sweep channels, protections and packet sizes: words lost, STOI, delay and on-air rate with 95 % intervals.

    What was done stays in the --out folder: the same command goes on where it was stopped, and a larger one does only
    what is new.
    """
    import torch

    from gateway.tools.study import StudyOptions, run_study
    from gateway.tools.study_report import draw, table, verdict, write_csv

    torch.set_num_threads(1)
    options = StudyOptions(
        out=out,
        channels=channels or ("clean", "loss-10-burst-2", "loss-10-burst-8"),
        protections=protections or ("none", "quick-packet", "robust-packet"),
        frames_per_packet=sizes or (6,),
        audio=not no_audio,
        seconds=seconds,
        seed=seed,
        speech=speech,
        subset=subset,
        clips=clips,
        asr=tuple(filter(None, asr.split(","))),
        search=search,
        cushion_s=cushion_ms / 1000,
        cap_s=cap_ms / 1000,
        weights=weights,
        threads=threads,
    )
    done = run_study(options, lambda line: click.echo(line, err=True))
    text = verdict(done)
    write_csv(out / "study.csv", done)
    draw(out / "study.png", done)
    (out / "verdict.txt").write_text(f"{done.title}\n{text}\n", encoding="utf-8")
    click.echo(f"{table(done)}\n\n{text}")
