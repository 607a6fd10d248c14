"""Two stations with virtual sound cards that talk through a channel process: how long speech takes from mouth to ear,
against the budget that the station shows.

Rule: nothing is replaced; stations and channel are programs of their own, the microphone and the speaker are null sinks
of a private PulseAudio, and delay is measured between what was played to one and recorded from the other.

What a single over differs by from the budget, in steps of one block (20 ms; one clock runs both sound cards): where the
blocks of the two cards lie to each other, 10 ms to either side and the same for all overs of a pair of stations; the
turns in which a packet and the speaker are looked after, one step; what a busy machine adds, one or two steps more. The
channel's jitter would come on top (its mean is in the budget). All but the first only ever add, so that the least delay
of several overs is held against the least budget of the same overs.

The talker's budget is that of a listener set up like himself. One whose packets once came late, as on a busy machine,
has learnt to wait longer before an over plays: what he waits is in the budget instead of what the talker would.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gateway.audio.base import SAMPLE_RATE_HZ
from gateway.channel_app import ControlClient
from gateway.codec.mel import MelFrontEnd
from gateway.codec.spec import HOP
from gateway.service.client import ControlClient as StationClient
from gateway.tools.program import PATIENCE_S, Program, ProgramError
from gateway.tools.virtual_sound import CLOCK, VirtualSound, prefer

SETTLE_S = 1.5
UNDISTURBED = 0.8
"""Likeness of speech before and after the codec is 0.85 to 0.9."""
HOP_S = 0.01
LONGEST_S = 8.0
STATION = """
[station]
name = "{name}"
id = {number}
group = 1
[net.names]
1 = "alpha"
2 = "bravo"
[codec]
search = "off"
[ptt]
tones = false
[jitter]
cushion_ms = {cushion_ms}
cap_ms = 2500
[audio]
latency_ms = {latency_ms}
{audio}
[packets]
frames_per_packet = {frames}
[control]
socket = "{name}.sock"
[log]
format = "json"
[link]
kind = "zeromq-channel"
endpoint = "{endpoint}"
"""


@dataclass(frozen=True, slots=True)
class SoundOptions:
    """`preset` the channel; `latency_ms` asked of the sound cards; `audio` more lines for [audio]."""

    preset: str = "leo-iridium"
    frames: int = 6
    cushion_ms: int = 200
    latency_ms: int = 60
    audio: str = ""
    is_steady: bool = True
    """Without the preset's losses and jitter: delay is measured on what arrives, and the same for every over."""


@dataclass(frozen=True, slots=True)
class Over:
    """One over as it was heard: `delay_ms` from mouth to ear, what was `heard` (samples,) from the far speaker, from
    the time on when it began to be said."""

    delay_ms: float
    likeness: float
    heard: NDArray[np.float32]
    computed_ms: float
    """By the talker's station, as the over ended, with the wait of the listener's (`heard_budget_ms`)."""


@dataclass(frozen=True, slots=True)
class SoundResult:
    """Overs, the talker's `budget` at the end (DelayView), and the counters with which both stations ended."""

    overs: tuple[Over, ...]
    budget: Mapping[str, float]
    talker: Mapping[str, float]
    listener: Mapping[str, float]
    channel_ms: float
    """From a packet's sending to its arrival, air time included, as the channel says (median)."""
    channel_late_ms: float
    """By how much the channel process handed packets on later than it meant to (median): no part of a real link."""

    @property
    def measured_ms(self) -> float:
        """Of the quickest over."""
        return min(over.delay_ms for over in self.overs)

    @property
    def computed_ms(self) -> float:
        """The least budget."""
        return min(over.computed_ms for over in self.overs)

    @property
    def excess_ms(self) -> float:
        """By how much speech was later than computed; less than 0: sooner."""
        return self.measured_ms - self.computed_ms

    @property
    def xruns(self) -> int:
        """Of all four streams."""
        names = ("audio.input.xruns", "audio.output.xruns")
        return int(sum(counts.get(name, 0) for counts in (self.talker, self.listener) for name in names))


class SoundBench:
    """Two running stations, `alpha` and `bravo`, with a microphone and a speaker each, and a channel between them."""

    def __init__(self, sound: VirtualSound, alpha: Program, bravo: Program, control: str, folder: Path) -> None:
        self._sound = sound
        self._alpha, self._bravo = alpha, bravo
        self._control, self._folder = control, folder

    def say(self, pcm: NDArray[np.float32]) -> Over:
        """Alpha says `pcm` (samples,), heard whole at bravo's speaker."""
        cushion_ms = self.budget("bravo")["cushion_ms"]  # what is learnt from an over is for the next
        with self._sound.recording("alpha-mouth") as mouth, self._sound.recording("bravo-ear") as ear:
            overs = len(self._bravo.telling("over ended"))
            talking = len(self._alpha.telling("talking"))
            self._alpha.type("p")
            self._alpha.wait_for("talking", talking + 1)
            quiet = np.zeros(int(0.4 * SAMPLE_RATE_HZ), np.float32)
            self._sound.play("alpha-mouth", np.concatenate([quiet, pcm, quiet]))
            self._alpha.type("p")
            self._bravo.wait_for("over ended", overs + 1)
            ear.wait(len(ear.pcm) / SAMPLE_RATE_HZ + SETTLE_S)
        said, heard = mouth.pcm, ear.pcm
        lag_s, likeness = lag(said, heard, ear.begin_s - mouth.begin_s)
        return Over(1000 * lag_s, likeness, heard, heard_budget_ms(self.budget("alpha"), cushion_ms))

    def say_until(self, pcm: NDArray[np.float32], wanted: int, tries: int) -> list[Over]:
        """Say `pcm` until `wanted` overs were heard undisturbed: on a busy machine sound has gaps that are not ours.
        Raises ProgramError after `tries`."""
        overs: list[Over] = []
        for attempt in range(tries):
            CLOCK.sleep(0.1 + 0.037 * (attempt % 8))  # not always at the same place between two turns
            over = self.say(pcm)
            if over.likeness >= UNDISTURBED:
                overs.append(over)
            if len(overs) == wanted:
                return overs
        raise ProgramError(f"only {len(overs)} of {tries} overs were heard undisturbed: is this machine busy?")

    def budget(self, name: str) -> dict[str, float]:
        """Of the station of that name, now: DelayView by name."""
        with StationClient(self._folder / f"{name}.sock") as station:
            return dict(station.ask("snapshot")["snapshot"]["delay"])

    def ended(self, overs: list[Over]) -> SoundResult:
        """Quit both stations."""
        channel = ControlClient(self._control, None, None, PATIENCE_S)
        late = channel.ask({"do": "status"})["late_ms"]
        paths = channel.ask({"do": "paths", "path": "alpha>bravo", "offset": 0})["paths"]
        delay_ms = paths[0]["delay_ms"]["p50"] if paths and paths[0]["delay_ms"] else 0.0
        budget = self.budget("alpha")
        late_ms = late["p50"] if late else 0.0
        return SoundResult(tuple(overs), budget, self._alpha.quit(), self._bravo.quit(), delay_ms, late_ms)


@contextmanager
def sound_bench(options: SoundOptions) -> Iterator[SoundBench]:
    """Start everything; it ends with the context. Raises AudioError without PulseAudio, ProgramError if it does not
    run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clarilink-bench-")))
        sound = stack.enter_context(VirtualSound([f"{n}-{p}" for n in ("alpha", "bravo") for p in ("mouth", "ear")]))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        control = f"ipc://{folder / 'control'}"
        figures = f'preset = "{options.preset}"\n' + ("loss = 0.0\njitter_ms = 0.0\n" if options.is_steady else "")
        (folder / "net.toml").write_text(
            f'endpoint = "{endpoint}"\ncontrol = "{control}"\nseed = 1\n[channel]\n{figures}'
        )
        channel = Program("channel", "-c", str(folder / "net.toml"), "--log")
        stack.callback(channel.close)
        prefer(channel.process)  # as its service unit has it
        stations = []
        for number, name in enumerate(("alpha", "bravo"), 1):
            path = folder / f"{name}.toml"
            path.write_text(
                STATION.format(
                    name=name,
                    number=number,
                    endpoint=endpoint,
                    cushion_ms=options.cushion_ms,
                    latency_ms=options.latency_ms,
                    frames=options.frames,
                    audio=options.audio,
                )
            )
            cards = sound.environment(f"{name}-ear", f"{name}-mouth")
            station = Program("run", "-c", str(path), environment=cards)
            stack.callback(station.close)
            prefer(station.process)
            stations.append(station)
        for station in stations:
            station.wait_for("station ready")
        CLOCK.sleep(3 * SETTLE_S)  # the sound cards' own figures settle, the channel answers
        yield SoundBench(sound, stations[0], stations[1], control, folder)


def heard_budget_ms(talker: Mapping[str, float], cushion_ms: float) -> float:
    """The `talker`'s budget (DelayView by name) for a listener who waits `cushion_ms` before an over plays."""
    return talker["total_ms"] - talker["cushion_ms"] + cushion_ms


def lag(said: NDArray[np.float32], heard: NDArray[np.float32], later_s: float) -> tuple[float, float]:
    """Seconds by which `heard` (samples,) follows `said` (samples,), and how alike they are (1: the same), where the
    recording of `heard` began `later_s` after the other. By their mel spectrograms: a vocoder keeps no waveform."""
    first, second = _shape(said), _shape(heard)
    size = len(first) + len(second)
    spectra = np.fft.rfft(first, size, axis=0).conj() * np.fft.rfft(second, size, axis=0)
    likeness = np.fft.irfft(spectra.sum(axis=1), size)
    likeness /= np.linalg.norm(first) * np.linalg.norm(second) + 1e-9
    shift = round(later_s / HOP_S)
    hops = np.arange(-shift, round(LONGEST_S / HOP_S) - shift)
    values = likeness[hops % size]
    best = int(np.argmax(values))
    between = 0.0
    if 0 < best < len(values) - 1:
        a, b, c = values[best - 1 : best + 2]
        between = 0.5 * (a - c) / (a - 2 * b + c)
    return float(later_s + (hops[best] + between) * HOP_S), float(values[best])


def _shape(pcm: NDArray[np.float32]) -> NDArray[np.float64]:
    front = MelFrontEnd()
    whole = torch.from_numpy(pcm[: len(pcm) // HOP * HOP].copy())[None]
    mel = front(whole, front.initial_state(1))[0][0].numpy().astype(np.float64)
    mel = np.maximum(mel, np.quantile(mel, 0.995) - 5.0)
    shape: NDArray[np.float64] = mel - mel.mean(axis=0)
    return shape
