"""`clarilink replay`: overs out of a folder of recordings.

Rule: as for the other commands, arguments in, one call, a line out; errors are the caller's to word.
"""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="FOLDER|FILE", type=PATH)
@click.option("--over", metavar="NUMBER|last", help="Which over of the folder; without it they are listed.")
@click.option("-o", "--output", help="WAV to write (- is standard output).")
@click.option("--play", is_flag=True, help="Play it.")
@click.option("--device", default="default", show_default=True, help="Speaker for --play, by part of its name.")
@click.option("--as-recorded", is_flag=True, help="The recording itself instead of decoding its packets anew.")
@click.option("--compare", is_flag=True, help="Say how the over decoded anew differs from its recording.")
@click.option("--weights", type=PATH, help="Codec weights to decode with instead of the packaged ones.")
@click.option("--cushion-ms", type=click.FloatRange(0, 10_000), help="Jitter buffer's wait instead of the one it had.")
@click.option("--cap-ms", type=click.FloatRange(80, 30_000), help="Most delay ever kept instead of the one it had.")
def replay(
    source: Path,
    over: str | None,
    output: str | None,
    play: bool,
    device: str,
    as_recorded: bool,
    compare: bool,
    weights: Path | None,
    cushion_ms: float | None,
    cap_ms: float | None,
) -> None:
    """List the overs that a station recorded ([record] in its file), or hear one of them again.

    An over is decoded anew from its packets, through the jitter buffer as they came, so that other weights or another
    cushion can be compared with what was heard.
    """
    from gateway.tools import replay as tool

    if source.is_dir() and over is None:
        if output is not None or play or as_recorded or compare:
            raise click.UsageError("--over NUMBER (or last) says which over of the folder")
        lines, problems = tool.list_overs(source)
        for line in lines:
            click.echo(line)
        _note(problems)
        return
    found = tool.find_over(source, over)
    if as_recorded:
        if compare or weights is not None or cushion_ms is not None or cap_ms is not None:
            raise click.UsageError("--as-recorded decodes nothing")
        pcm = tool.sound_as_recorded(found)
        click.echo(f"{found.sound.name}: {len(pcm) / 16000:.2f} s", err=True)
    else:
        import torch

        from gateway.codec import Codec

        torch.set_num_threads(1)
        packets = tool.packets_of(found)
        done = tool.decode_anew(packets, Codec.load(weights), tool.Waits(cushion_ms, cap_ms))
        for line in tool.words(packets, done):
            click.echo(line, err=True)
        if compare:
            from gateway.recording.reader import read_recording

            for line in tool.compare(found, packets, done, read_recording(found.sound)):
                click.echo(line, err=output == "-")
        pcm = done.pcm
    if output is not None:
        from gateway.audio.files import write_wav

        write_wav(output, [pcm])
    if play:
        from gateway.audio.play import play_pcm
        from gateway.config import AudioSection

        play_pcm(AudioSection(output=device), [pcm], lambda line: _note([line]))


def _note(lines: list[str]) -> None:
    for line in lines:
        click.echo(f"clarilink: note: {line}", err=True)
