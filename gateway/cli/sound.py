"""`clarilink devices` and `clarilink sound`: which sound devices there are, and whether they work.

Rule: uses the devices that a station file names, opened as the station opens them; a station that runs has them
already, and has tests of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.group import CommandGroup
from gateway.errors import AudioError

if TYPE_CHECKING:
    from gateway.audio.base import AudioInput, AudioOutput, Direction, FloatArray
    from gateway.audio.device import DeviceInfo
    from gateway.config import AudioSection

PATH = click.Path(path_type=Path)
STEP_S = 0.02
METER_S = 0.1
METER_DB = 60
"""What the meter spans, up to full scale."""
TONE_HZ = 1000.0
TONE_LEVEL = 0.25
config_option = click.option(
    "-c", "--config", type=PATH, help="Station file whose devices are meant; else the system's default ones."
)


def _section(config: Path | None) -> AudioSection:
    from gateway.config import AudioSection, StationConfig, load_toml

    return AudioSection() if config is None else load_toml(config, StationConfig).audio


@click.command()
@config_option
@click.option("--json", "is_json", is_flag=True, help="For programs.")
def devices(config: Path | None, is_json: bool) -> None:
    """List sound devices: `input` and `output` in [audio] take a name, part of one, `NAME, DRIVER` or `#NUMBER`."""
    import json
    from dataclasses import asdict

    from gateway.audio.device import list_devices

    found = list_devices()
    if is_json:
        click.echo(json.dumps([asdict(device) for device in found], indent=2))
        return
    for line in device_lines(found):
        click.echo(line)
    if config is not None:
        section = _section(config)
        for line in chosen_lines(found, section):
            click.echo(line)


def device_lines(found: list[DeviceInfo]) -> list[str]:
    """A table for people: `*` marks what "default" means."""
    from gateway.audio.base import Direction

    if not found:
        return ["no sound devices; `null` and `file:PATH` always work"]
    width = max(4, *(len(device.full_name) for device in found))
    lines = [f"  #  {'name, driver':<{width}}  microphone  speaker  rate"]
    for device in found:
        ways = []
        for direction in Direction:
            channels = device.channels(direction)
            mark = "*" if device.is_default(direction) else ""
            ways.append(f"{channels} ch{mark}" if channels else "-")
        lines.append(
            f"{device.index:>3}  {device.full_name:<{width}}  {ways[0]:<10}  {ways[1]:<7}  {device.default_rate_hz} Hz"
        )
    return [*lines, "* what `default` means now"]


def chosen_lines(found: list[DeviceInfo], section: AudioSection) -> list[str]:
    """What a station file's devices are here."""
    from gateway.audio.base import Direction

    ways = ((Direction.INPUT, "microphone", section.input), (Direction.OUTPUT, "speaker", section.output))
    return [f"{what}: {_chosen(found, direction, name)}" for direction, what, name in ways]


def _chosen(found: list[DeviceInfo], direction: Direction, name: str) -> str:
    from gateway.audio.device import choose_device, doubt, matching_devices

    if name == "null" or name.startswith("file:"):
        return f"{name} (no device)"
    try:
        device = choose_device(found, direction, name)
    except AudioError as error:
        return str(error)
    return f"#{device.index} {device.full_name}" + doubt(matching_devices(found, direction, name))


@click.group(cls=CommandGroup)
def sound() -> None:
    """Try the sound devices: a test tone, a microphone test, a level meter."""


@sound.command()
@config_option
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="How long.")
def tone(config: Path | None, seconds: float) -> None:
    """Play a test tone to the speaker."""
    from gateway.station.tones import steady_tone

    with _open(config, microphone=False) as (_, speaker):
        click.echo(f"a tone of {seconds:g} s to speaker {speaker.name}")
        _play(speaker, steady_tone(TONE_HZ, seconds, TONE_LEVEL))


@sound.command()
@config_option
@click.option("--seconds", type=click.FloatRange(1, 30), default=3.0, show_default=True, help="How long to listen.")
@click.option("--no-playback", is_flag=True, help="Only the verdict.")
def microphone(config: Path | None, seconds: float, no_playback: bool) -> None:
    """Record from the microphone, say what is right or wrong with it, and play it back. Fails if it is not usable."""
    import numpy as np

    from gateway.audio.microphone import judge

    with _open(config, microphone=True) as (source, speaker):
        source.read()
        click.echo(f"speak now, {seconds:g} s, to microphone {source.name}")
        heard = np.concatenate(list(_listen(source, seconds)))
        verdict = judge(heard)
        click.echo(f"microphone: {verdict.words}")
        if not no_playback:
            click.echo(f"played back to speaker {speaker.name}")
            _play(speaker, heard)
    if not verdict.is_good:
        raise AudioError("the microphone is not ready for use")


@sound.command()
@config_option
@click.option("--seconds", type=click.FloatRange(0.2), help="Then end; else with Ctrl-C.")
def monitor(config: Path | None, seconds: float | None) -> None:
    """Show the microphone's level while it lasts."""
    import sys

    import numpy as np

    from gateway.station.board import LevelMeter

    levels, clock_s, next_s = LevelMeter(), 0.0, 0.0
    with _open(config, microphone=True) as (source, _):
        try:
            for block in _listen(source, seconds):
                clock_s += STEP_S
                levels.hear(np.asarray(block), clock_s)
                if clock_s < next_s:
                    continue
                next_s = clock_s + METER_S
                clips = "  CLIPS" if levels.is_clipping(clock_s) else ""
                line = f"{meter(levels.level_db, levels.peak_db)} {levels.level_db:4.0f} dB{clips}"
                click.echo(f"\r{line:<60}", nl=False) if sys.stdout.isatty() else click.echo(line)
        except KeyboardInterrupt:
            pass
        if sys.stdout.isatty():
            click.echo()


def meter(level_db: float, peak_db: float, width: int = 40) -> str:
    """A level meter for a line of text: `#` the level, `|` the peak."""
    level, peak = (round(min(max(db / METER_DB + 1, 0), 1) * (width - 1)) for db in (level_db, peak_db))
    bar = ["#" if place <= level and level_db > -METER_DB else "." for place in range(width)]
    bar[peak] = "|"
    return "".join(bar)


def _listen(source: AudioInput, seconds: float | None) -> Iterator[FloatArray]:
    from gateway.clock import SystemClock

    clock = SystemClock()
    began_s = clock.now()
    while seconds is None or clock.now() - began_s < seconds:
        clock.sleep(STEP_S)
        yield source.read()


def _play(speaker: AudioOutput, pcm: FloatArray) -> None:
    """To its end; what is left in the sound card's own buffers is given the time to be heard."""
    from gateway.audio.base import SAMPLE_RATE_HZ
    from gateway.clock import SystemClock

    clock = SystemClock()
    step = SAMPLE_RATE_HZ // 4
    for start in range(0, len(pcm), step):
        speaker.write(pcm[start : start + step])
        while speaker.queued_samples > step:
            clock.sleep(STEP_S)
    while speaker.queued_samples:
        clock.sleep(STEP_S)
    clock.sleep(max(0.1, 2 * speaker.latency_s))


@contextmanager
def _open(config: Path | None, *, microphone: bool) -> Iterator[tuple[AudioInput, AudioOutput]]:
    """The devices of a station file. Raises AudioError where one that is wanted is not there."""
    from gateway.audio.base import DeviceEvent, DeviceState, Direction
    from gateway.audio.select import open_audio
    from gateway.clock import SystemClock
    from gateway.metrics import Metrics

    section = _section(config)
    wanted = section if microphone else section.model_copy(update={"input": "null"})
    troubles: dict[Direction, str] = {}

    def on_event(event: DeviceEvent) -> None:
        if event.state is DeviceState.MISSING:
            troubles.setdefault(event.direction, event.text.removesuffix("; silence in its place, trying again"))

    metrics = Metrics()
    audio = open_audio(wanted, SystemClock(), metrics, on_event)
    try:
        for direction in (Direction.INPUT, Direction.OUTPUT)[0 if microphone else 1 :]:
            if direction in troubles:
                raise AudioError(troubles[direction])
        yield audio.input, audio.output
    finally:
        audio.close()
    xruns = sum(metrics.counter(f"audio.{direction.value}.xruns") for direction in Direction)
    if xruns:
        click.echo(f"clarilink: note: sound was interrupted {xruns} times: is this machine busy?", err=True)
