"""What can be compared: the original, Codec2, and ours at its rates, through channels and with bit errors.

Rule: a system is a function of a clip's number and sound, so that a run repeats whatever order it is done in.
Ours knows the level of the clip beforehand, as an encoder of files does and a station from its second over on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.audio.denoise import available, denoise
from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import load_channel
from gateway.codec import Codec, SearchSettings
from gateway.codec.level import active_level_db
from gateway.errors import EvaluationError
from gateway.evaluation import codec2
from gateway.protocol.protection import Protection
from gateway.protocol.protection_file import load_protection
from gateway.tools.loopback import LoopbackOptions, run_loopback

Pcm = NDArray[np.float32]
System = Callable[[int, Pcm], Pcm]

ORIGINAL, OURS = "original", "ours-300"
DENOISED, DENOISED_LIVE = "ours-300-denoised", "ours-300-denoised-live"
"""Noise suppressed first, as a station does; `-live` with the search of each packet."""
SEARCHED, SEARCHED_QUICK, SEARCHED_THOROUGH = "ours-300-search", "ours-300-quick", "ours-300-thorough"
SEARCHED_LIVE, SEARCHED_150 = "ours-300-live", "ours-150-search"
"""Ours with the encoder's search, over 6 s at a time as for files, or packet by packet as on the air; `-quick` in
half the steps, `-thorough` in four times as many."""
LIVE_FRAMES = 6
CODEC2 = tuple(f"codec2-{mode}" for mode in codec2.MODES)
SYSTEMS = (
    ORIGINAL,
    "8khz",
    *CODEC2,
    OURS,
    SEARCHED,
    SEARCHED_QUICK,
    SEARCHED_THOROUGH,
    SEARCHED_LIVE,
    DENOISED,
    DENOISED_LIVE,
    "ours-150",
    SEARCHED_150,
)
"""Every system that can be asked for, ours through channels aside."""


_SEARCHES = {
    SEARCHED: SearchSettings(),
    SEARCHED_QUICK: SearchSettings.quick(),
    SEARCHED_THOROUGH: SearchSettings.thorough(),
    SEARCHED_LIVE: SearchSettings.live(LIVE_FRAMES),
}


def bits_a_second(system: str) -> int | None:
    """The codec's rate on the wire, packet headers aside; None where there is no codec."""
    if system.startswith("codec2-"):
        return int(system.removeprefix("codec2-").rstrip("ABCD"))
    return 150 if system.startswith("ours-150") else 300 if system.startswith("ours") else None


def build_systems(names: tuple[str, ...], weights: Path | None, notes: list[str]) -> dict[str, System]:
    """Systems by name; what is not installed is noted and left out. Raises EvaluationError for unknown names."""
    systems: dict[str, System] = {}
    for name in names:
        if name == ORIGINAL:
            systems[name] = lambda _number, pcm: pcm
        elif name == "8khz":
            systems[name] = lambda _number, pcm: codec2.telephone_band(pcm)
        elif name.startswith("codec2-") and name in SYSTEMS:
            if not codec2.available():
                notes.append(f"{name} skipped: c2enc and c2dec are not installed (Debian package codec2)")
                continue
            systems[name] = _codec2(name.removeprefix("codec2-"))
        elif name in (DENOISED, DENOISED_LIVE):
            if not available():
                notes.append(f"{name} skipped: pyrnnoise is not installed (extra denoise)")
                continue
            live = SearchSettings.live(LIVE_FRAMES) if name == DENOISED_LIVE else None
            systems[name] = _after_denoising(_ours(Codec.load(weights), 2, live))
        elif name in _SEARCHES:
            systems[name] = _ours(Codec.load(weights), 2, _SEARCHES[name])
        elif name == SEARCHED_150:
            systems[name] = _ours(Codec.load(weights), 1, SearchSettings(stages=1))
        elif name in (OURS, "ours-150"):
            systems[name] = _ours(Codec.load(weights), 2 if name == OURS else 1)
        else:
            raise EvaluationError(f"system {name!r} is not known; there are {', '.join(SYSTEMS)}")
    return systems


def build_damaged(
    channels: tuple[str, ...], bit_errors: tuple[float, ...], weights: Path | None, search: bool = False
) -> dict[str, System]:
    """Ours at 300 bit/s through channels and with bits flipped at random, nothing protecting them; with `search`
    packet by packet, as on the air."""
    if not channels and not bit_errors:
        return {}
    codec, ours = Codec.load(weights), _name(search)
    specs = [load_channel(name) for name in channels]
    systems = {f"{ours} through {spec.name}": _through(codec, spec, search=search) for spec in specs}
    return systems | {f"{ours}, bit errors {100 * rate:g} %": _flipped(codec, rate, search) for rate in bit_errors}


def build_protected(
    pairs: tuple[tuple[str, str], ...], weights: Path | None, search: bool = False
) -> dict[str, System]:
    """Ours at 300 bit/s through channels, each with a protection: pairs of names or files."""
    if not pairs:
        return {}
    codec = Codec.load(weights)
    named = [(load_channel(channel), guard, load_protection(guard)) for channel, guard in pairs]
    return {
        f"{_name(search)} through {spec.name}, {guard}": _through(codec, spec, protection, search)
        for spec, guard, protection in named
    }


def with_bit_errors(codec: Codec, pcm: Pcm, rate: float, seed: int, search: bool = False) -> Pcm:
    """Every bit flipped with probability `rate`; the decoder is not told which."""
    settings = SearchSettings.live(LIVE_FRAMES) if search else None
    frames = np.frombuffer(codec.encode(pcm, search=settings, level_db=active_level_db(pcm)), np.uint8)
    flips = np.random.default_rng(seed).random(8 * len(frames)) < rate
    return codec.decode((frames ^ np.packbits(flips)).tobytes())[: len(pcm)]


def _name(search: bool) -> str:
    return "ours searched" if search else "ours"


def _codec2(mode: str) -> System:
    return lambda _number, pcm: codec2.through_codec2(pcm, mode)


def _ours(codec: Codec, stages: int, search: SearchSettings | None = None) -> System:
    def decoded(_number: int, pcm: Pcm) -> Pcm:
        frames = codec.encode(pcm, search=search, level_db=active_level_db(pcm))
        return codec.decode(frames, stages=stages)[: len(pcm)]

    return decoded


def _after_denoising(system: System) -> System:
    return lambda number, pcm: system(number, denoise(pcm))


def _through(codec: Codec, spec: ChannelSpec, protection: Protection | None = None, search: bool = False) -> System:
    guard = Protection() if protection is None else protection

    def through(number: int, pcm: Pcm) -> Pcm:
        level_db = active_level_db(pcm)
        options = LoopbackOptions(seed=number + 1, protection=guard, search=search, level_db=level_db)
        return run_loopback(codec, pcm, spec, options).heard

    return through


def _flipped(codec: Codec, rate: float, search: bool) -> System:
    return lambda number, pcm: with_bit_errors(codec, pcm, rate, number, search)
