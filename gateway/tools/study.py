"""`clarilink study`: channels by protections by packet sizes, on the same speech or on packets alone, with intervals.

Rule: a cell of the grid is a function of what it is made of and nothing else; it is kept in a file named after that, so
that a study goes on where it was stopped and an unchanged cell is never run twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import load_channel
from gateway.codec import Codec
from gateway.codec.checkpoint import DEFAULT_WEIGHTS
from gateway.codec.level import active_level_db
from gateway.errors import GatewayError
from gateway.evaluation.cache import RememberingRecogniser
from gateway.evaluation.quality import align, measure
from gateway.evaluation.report import Interval, interval
from gateway.evaluation.speech import Clip, load_clips, speech_folder
from gateway.evaluation.wer import normalise, word_errors
from gateway.protocol.packets import FRAME_S
from gateway.protocol.protection import Protection
from gateway.protocol.protection_file import load_protection
from gateway.tools.loopback import LoopbackOptions, run_loopback
from gateway.tools.packet_study import Conversation, ConversationOptions, converse

METHOD = 1
"""Part of every cell's name: change it with anything in how a cell is run."""
BLOCKS = 60
"""Of consecutive overs, for the intervals of packets alone: losses in a row must stay together."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What to sweep: `channels` and `protections` by name, file or kind with figures, `frames_per_packet` of 80 ms.

    With sound: `clips` dev clips of `subset`, recognised by `asr`, with the encoder's `search` if wanted. Without
    (`audio` False): conversations of `seconds` simulated for each cell, seeded by `seed`.
    """

    out: Path
    channels: tuple[str, ...] = ("clean", "loss-10-burst-2")
    protections: tuple[str, ...] = ("none", "robust-packet")
    frames_per_packet: tuple[int, ...] = (6,)
    audio: bool = True
    seconds: float = 3600.0
    seed: int = 1
    speech: Path | None = None
    subset: str = "cv-native"
    clips: int = 20
    asr: tuple[str, ...] = ("tiny.en",)
    search: bool = False
    cushion_s: float = 0.06
    cap_s: float = 1.5
    weights: Path | None = None
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of the grid, by the names that were given."""

    channel: str
    protection: str
    frames_per_packet: int

    @property
    def packet_ms(self) -> int:
        """Speech in a packet."""
        return round(1000 * self.frames_per_packet * FRAME_S)

    def __str__(self) -> str:
        return f"{self.channel}, {self.protection}, {self.packet_ms} ms"


@dataclass(frozen=True)
class CellResult:
    """What a cell gave: for each clip or block of overs who speaks, and for each figure an amount and its size (the
    figure is the sum of amounts over the sum of sizes)."""

    cell: Cell
    speakers: tuple[str, ...]
    parts: dict[str, tuple[tuple[float, float], ...]]

    @cached_property
    def figures(self) -> dict[str, Interval]:
        """With 95 % intervals by speaker, or by block; figures of which nothing is known are absent."""
        found = {}
        for name in self.parts:
            amounts, sizes = self._arrays(name)
            if sizes.sum() > 0:
                found[name] = interval(self.speakers, amounts, sizes)
        return found

    def less(self, other: CellResult, name: str) -> Interval:
        """This cell's figure less that of `other`, clip by clip: narrower than the two figures' own intervals."""
        amounts, sizes = self._arrays(name)
        theirs, their_sizes = other._arrays(name)
        if self.speakers == other.speakers and np.array_equal(sizes, their_sizes):
            return interval(self.speakers, amounts - theirs, sizes)
        # Of packets alone the blocks differ: two figures of their own.
        a, b = self.figures[name], other.figures[name]
        low, high = a.value - a.low + b.high - b.value, a.high - a.value + b.value - b.low
        return Interval(a.value - b.value, a.value - b.value - low, a.value - b.value + high)

    def _arrays(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        both = np.array(self.parts[name], dtype=np.float64).reshape(-1, 2)
        return both[:, 0], both[:, 1]


@dataclass(frozen=True, slots=True)
class Study:
    """All cells in the order of the grid, and what they are about."""

    title: str
    results: tuple[CellResult, ...]
    judge: str
    """The figure that the verdict goes by; less is better."""
    notes: tuple[str, ...] = field(default_factory=tuple)


def grid(options: StudyOptions) -> list[Cell]:
    """Every combination."""
    return [
        Cell(channel, protection, frames)
        for channel in dict.fromkeys(options.channels)
        for protection in dict.fromkeys(options.protections)
        for frames in dict.fromkeys(options.frames_per_packet)
    ]


def run_study(options: StudyOptions, say: Say = lambda _: None) -> Study:
    """Run what is not there yet; cells land in `options.out`/cells. Raises GatewayError for what cannot be used."""
    cells = grid(options)
    specs = {name: load_channel(name) for name in options.channels}
    guards = {name: load_protection(name) for name in options.protections}
    folder = options.out / "cells"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GatewayError(f"{folder}: cannot be made: {error.strerror or error}") from error
    bench: _Speech | _Packets = _Speech(options) if options.audio else _Packets(options)
    results = []
    for number, cell in enumerate(cells, 1):
        spec, guard = specs[cell.channel], guards[cell.protection]
        key = hashlib.sha256(repr((METHOD, bench.key, spec, guard, cell.frames_per_packet)).encode()).hexdigest()[:32]
        path = folder / f"{key}.json"
        result = _read(path, cell)
        if result is None:
            say(f"{number}/{len(cells)} {cell}")
            result = CellResult(cell, *bench.run(spec, guard, cell.frames_per_packet))
            _write(path, result)
        else:
            say(f"{number}/{len(cells)} {cell}: was there")
        results.append(result)
    return Study(bench.title, tuple(results), bench.judge)


def _write(path: Path, result: CellResult) -> None:
    unfinished = path.with_suffix(".part")
    text = json.dumps({"cell": asdict(result.cell), "speakers": result.speakers, "parts": result.parts})
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(path)


def _read(path: Path, cell: Cell) -> CellResult | None:
    """A result that is whole, for a cell that may by now go by another name."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        parts = {name: tuple((float(a), float(b)) for a, b in pairs) for name, pairs in found["parts"].items()}
        return CellResult(cell, tuple(map(str, found["speakers"])), parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


Outcome = tuple[tuple[str, ...], dict[str, tuple[tuple[float, float], ...]]]


class _Packets:
    """Cells of packets alone."""

    judge = "frames_lost"

    def __init__(self, options: StudyOptions) -> None:
        self._options = options
        self.key = ("packets", options.seconds, options.seed, options.cushion_s, options.cap_s)
        self.title = f"conversations of {options.seconds:g} s simulated, seed {options.seed}; 95 % by runs of overs"

    def run(self, spec: ChannelSpec, guard: Protection, frames_per_packet: int) -> Outcome:
        chosen = self._options
        talk = converse(
            spec,
            guard,
            ConversationOptions(
                seconds=chosen.seconds,
                frames_per_packet=frames_per_packet,
                cushion_s=chosen.cushion_s,
                cap_s=chosen.cap_s,
                seed=chosen.seed,
            ),
        )
        return tuple(f"{block}" for block, _ in _blocks(talk)), _packet_parts(talk)


def _blocks(talk: Conversation) -> Iterator[tuple[int, Any]]:
    size = -(-len(talk.overs) // BLOCKS)
    for number, over in enumerate(talk.overs):
        yield number // size, over


def _packet_parts(talk: Conversation) -> dict[str, tuple[tuple[float, float], ...]]:
    overs = talk.overs
    timed = [(over.delay_ms_median or 0.0, float(over.delay_ms_median is not None)) for over in overs]
    slow = [(over.delay_ms_p95 or 0.0, float(over.delay_ms_p95 is not None)) for over in overs]
    return {
        "packets_lost": tuple((float(over.packets_lost), float(over.packets)) for over in overs),
        "frames_lost": tuple((float(over.lost), float(over.frames)) for over in overs),
        "frames_partial": tuple((float(over.partial), float(over.frames)) for over in overs),
        "frames_wrong": tuple((float(over.wrong), float(over.frames)) for over in overs),
        "delay_ms": tuple(timed),
        "delay_p95_ms": tuple(slow),
        "on_air_bps": tuple((8.0 * over.bytes_sent, over.frames * FRAME_S) for over in overs),
    }


class _Speech:
    """Cells of speech; recognisers and clips are loaded when the first cell needs them."""

    def __init__(self, options: StudyOptions) -> None:
        self._options = options
        folder = speech_folder(options.speech)
        self._clips: list[Clip] = load_clips(folder, options.subset, options.clips)
        self._codec: Codec | None = None
        self._recognisers = [RememberingRecogniser(name, options.out, options.threads) for name in options.asr]
        self._stoi = measure("stoi")
        self.judge = f"dwer_{options.asr[0]}" if options.asr else "frames_concealed"
        self.key = (
            "speech of a known level",
            options.asr,
            options.search,
            options.cushion_s,
            options.cap_s,
            hashlib.sha256((options.weights or DEFAULT_WEIGHTS).read_bytes()).hexdigest(),
            tuple(hashlib.sha256(clip.pcm.tobytes()).hexdigest()[:16] for clip in self._clips),
        )
        speakers = len({clip.speaker for clip in self._clips})
        self.title = f"{options.subset}: {len(self._clips)} dev clips, {speakers} speakers; 95 % by speaker"

    def run(self, spec: ChannelSpec, guard: Protection, frames_per_packet: int) -> Outcome:
        chosen = self._options
        codec = self._codec = self._codec or Codec.load(chosen.weights)
        parts: dict[str, list[tuple[float, float]]] = {}

        def note(name: str, amount: float, size: float) -> None:
            parts.setdefault(name, []).append((amount, size))

        for number, clip in enumerate(self._clips):
            options = LoopbackOptions(
                frames_per_packet=frames_per_packet,
                cushion_s=chosen.cushion_s,
                cap_s=chosen.cap_s,
                seed=number + 1,  # as in gateway.evaluation: the same clip meets the same luck everywhere
                search=chosen.search,
                protection=guard,
                level_db=active_level_db(clip.pcm),
            )
            result = run_loopback(codec, clip.pcm, spec, options)
            report = result.report
            for recogniser in self._recognisers:
                reference = normalise(recogniser.transcribe(clip.pcm, clip.lang), clip.lang)
                heard = normalise(recogniser.transcribe(result.heard, clip.lang), clip.lang)
                note(f"dwer_{recogniser.name}", float(word_errors(reference, heard)), float(len(reference.split())))
            score = self._stoi(*align(clip.pcm, result.heard))
            note("stoi", score or 0.0, float(score is not None))
            median = report.mouth_to_ear_ms_median
            note("delay_ms", median or 0.0, float(median is not None))
            note("on_air_bps", report.on_air_bps * report.speech_s, report.speech_s)
            note("packets_lost", float(report.packets_lost), float(report.packets_sent))
            note("frames_concealed", float(len(result.concealed)), float(report.frames_sent))
        return tuple(clip.speaker for clip in self._clips), {name: tuple(pairs) for name, pairs in parts.items()}
