"""Whether a link can carry live voice: which packet sizes and protections fit into its rate (SPEC.md, clauses 9.3-9.7).

The rule: arithmetic alone, from a link's figures and small descriptors of what protection adds; nothing is measured
here. A verdict always comes with a sentence that says why, and which packet sizes would do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.errors import LocalProtocolError
from gateway.protocol.over import SESSION_EVERY
from gateway.protocol.packets import CRC_BYTES, FRAME_BYTES, FRAME_S, HEADER_BYTES, MAX_FRAMES, SESSION_BYTES

CODEC_DELAY_S = 0.255
"""Frame, two frames of lookahead and synthesis window of codec 1."""
MAX_DUTY = 0.95
"""Most of the channel time that live voice may take; the rest is for texts, drifting clocks, figures that flatter."""
LIVE_FRAMES = range(1, 25)
"""Packet sizes, in frames, that a station may be configured to."""


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """What the arithmetic needs of a link. `rate_bps` None: no limit known; `mtu_bytes` None: any length.

    A packet of n bytes takes `fixed_s` + (n + `overhead_bytes`) * 8 / `rate_bps`. `turnaround_s` is the key-up time of
    a half-duplex transmitter that was silent; `delay_s` how long a signal travels and waits in modems; `jitter_s` the
    mean of what comes on top of it.
    """

    name: str
    rate_bps: float | None = None
    overhead_bytes: int = 0
    fixed_s: float = 0.0
    mtu_bytes: int | None = None
    half_duplex: bool = False
    turnaround_s: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0

    def airtime_s(self, n_bytes: float) -> float:
        """Seconds that a packet of `n_bytes` occupies the channel, key-up not counted."""
        sent_s = 0.0 if self.rate_bps is None else (n_bytes + self.overhead_bytes) * 8 / self.rate_bps
        return self.fixed_s + sent_s


@dataclass(frozen=True, slots=True)
class Protection:
    """What a protection (or checksum, or security) adds to voice packets; `with_` joins several.

    `frame_bytes` per frame and `packet_bytes` per packet ride in the packet, `session_bytes` more in one with session
    block. `code_rate` is k/n of a code over the whole packet. `packets` is how many are sent per packet of voice,
    parity packets included. `wait_packets` is how long the receiver waits for what repairs, in packets.
    """

    name: str
    frame_bytes: float = 0.0
    packet_bytes: int = 0
    session_bytes: int = 0
    code_rate: float = 1.0
    packets: float = 1.0
    wait_packets: int = 0

    def __post_init__(self) -> None:
        if min(self.frame_bytes, self.packet_bytes, self.session_bytes, self.wait_packets) < 0:
            raise LocalProtocolError(f"protection {self.name!r} takes bytes away: {self}")
        if not 0 < self.code_rate <= 1 or self.packets < 1:
            raise LocalProtocolError(f"protection {self.name!r}: needs 0 < code_rate <= 1 and packets >= 1")

    def with_(self, other: Protection) -> Protection:
        """Both at once; the name of one that adds nothing is left out."""
        return Protection(
            " + ".join(name for name in (self.name, other.name) if name != NO_PROTECTION.name) or NO_PROTECTION.name,
            self.frame_bytes + other.frame_bytes,
            self.packet_bytes + other.packet_bytes,
            self.session_bytes + other.session_bytes,
            self.code_rate * other.code_rate,
            self.packets * other.packets,
            max(self.wait_packets, other.wait_packets),
        )


def reed_solomon(n: int, k: int) -> Protection:
    """n - k parity packets after every k packets of voice; the receiver waits for the end of the block."""
    if not 1 <= k <= n:
        raise LocalProtocolError(f"reed-solomon ({n},{k}): needs 1 <= k <= n")
    return Protection(f"reed-solomon ({n},{k})", packets=n / k, wait_packets=n - 1)


def bit_code(name: str, code_rate: float) -> Protection:
    """A code over the bits of every packet, for links that deliver bits with errors."""
    return Protection(name, code_rate=code_rate)


NO_PROTECTION = Protection("none")
STAGE_ONE_REPEAT = Protection("stage-1 repeat", frame_bytes=1.5, wait_packets=1)
"""The coarse 12 bits of every frame again, in a later packet."""
PAYLOAD_REPEAT = Protection("payload repeat", frame_bytes=3.0, wait_packets=4)
"""Every frame again, 4 packets later."""
CHECKSUM = Protection("crc", packet_bytes=CRC_BYTES)
SECURITY_BLOCK_BYTES = 16
"""Source, key id, counter, round and salt, in every packet with a session block (13.4)."""


def security(tag_bytes: int) -> Protection:
    """A tag on every packet, the security block with the session block (13.14)."""
    return Protection("security", packet_bytes=tag_bytes, session_bytes=SECURITY_BLOCK_BYTES)


SECURITY_TAG = security(4)
PROTECTIONS: tuple[Protection, ...] = (
    NO_PROTECTION,
    STAGE_ONE_REPEAT,
    PAYLOAD_REPEAT,
    reed_solomon(6, 4),
    bit_code("bit code 3/4", 3 / 4),
    bit_code("bit code 1/2", 1 / 2),
)
"""What `clarilink airtime` compares."""


class Fit(Enum):
    """Whether a packet size with a protection sustains live voice on a link."""

    LIVE = "live"
    TOO_SLOW = "too slow"
    TOO_LONG = "over the MTU"


@dataclass(frozen=True, slots=True)
class LiveRow:
    """One packet size with one protection on one link.

    `packet_bytes` without session block, `longest_bytes` with it; `airtime_s` of a packet without; `duty` the share of
    channel time that a long over sends, `keyed` the same with the key-up of a half-duplex transmitter between packets;
    `on_air_bps` as clause 9.1 counts, the link's own bytes left out; `delay_s` from mouth to ear for the first frame of
    a packet, the longest waiting.
    """

    frames_per_packet: int
    protection: Protection
    packet_bytes: int
    longest_bytes: int
    airtime_s: float
    duty: float
    keyed: float
    on_air_bps: float
    delay_s: float
    fit: Fit


def packet_bytes(frames: int, protection: Protection, *, session: bool) -> int:
    """Length of a voice packet with all that protection adds to it."""
    plain = HEADER_BYTES + FRAME_BYTES * frames + math.ceil(protection.frame_bytes * frames) + protection.packet_bytes
    if session:
        plain += SESSION_BYTES + protection.session_bytes
    return math.ceil(plain / protection.code_rate - 1e-9)


def live_row(profile: LinkProfile, frames: int, protection: Protection, cushion_s: float = 0.0) -> LiveRow:
    """The figures of packets of `frames` frames. Raises LocalProtocolError unless 1 <= frames <= 63."""
    if not 1 <= frames <= MAX_FRAMES:
        raise LocalProtocolError(f"{frames} frames per packet: needs 1 to {MAX_FRAMES}")
    packet_s = frames * FRAME_S
    plain, longest = (packet_bytes(frames, protection, session=session) for session in (False, True))
    mean = (plain * (SESSION_EVERY - 1) + longest) / SESSION_EVERY
    sent_s = protection.packets * profile.airtime_s(mean)
    turnaround_s = profile.turnaround_s if profile.half_duplex else 0.0
    duty = sent_s / packet_s
    fit = Fit.LIVE if duty <= MAX_DUTY else Fit.TOO_SLOW
    if profile.mtu_bytes is not None and longest > profile.mtu_bytes:
        fit = Fit.TOO_LONG
    keyed = duty
    if duty < 1:  # a transmitter that falls silent between packets keys up for each; one that cannot stays keyed
        keyed = min(1.0, duty + protection.packets * turnaround_s / packet_s)
    delay_s = CODEC_DELAY_S + (frames - 1) * FRAME_S + profile.airtime_s(longest) + profile.delay_s + turnaround_s
    return LiveRow(
        frames,
        protection,
        plain,
        longest,
        profile.airtime_s(plain),
        duty,
        keyed,
        protection.packets * mean * 8 / packet_s,
        delay_s + cushion_s + protection.wait_packets * packet_s,
        fit,
    )


def live_rows(
    profile: LinkProfile, protection: Protection, cushion_s: float = 0.0, frames: Iterable[int] = LIVE_FRAMES
) -> tuple[LiveRow, ...]:
    """`live_row` for every packet size."""
    return tuple(live_row(profile, size, protection, cushion_s) for size in frames)


@dataclass(frozen=True, slots=True)
class LiveVerdict:
    """Whether live voice fits as configured, the sentence that says why, and the packet sizes that would fit."""

    fit: Fit
    reason: str
    fitting: tuple[int, ...]

    @property
    def buffered_only(self) -> bool:
        """No packet size fits: voice can only go as a recorded message."""
        return not self.fitting


def live_verdict(profile: LinkProfile, frames_per_packet: int, protection: Protection = NO_PROTECTION) -> LiveVerdict:
    """Whether voice in packets of `frames_per_packet` with `protection` (checksum included) is sustained (9.5)."""
    chosen = live_row(profile, frames_per_packet, protection)
    rows = live_rows(profile, protection)
    fitting = tuple(row.frames_per_packet for row in rows if row.fit is Fit.LIVE)
    what = f"packets of {frames_per_packet} frames ({frames_per_packet * FRAME_S * 1000:.0f} ms)"
    if protection.name != NO_PROTECTION.name:
        what += f" with {protection.name}"
    share = 100 * chosen.duty
    if chosen.fit is Fit.LIVE:
        return LiveVerdict(Fit.LIVE, f"{what} take {share:.0f} % of link {profile.name}", fitting)
    if chosen.fit is Fit.TOO_LONG:
        why = f"{what} have {chosen.longest_bytes} bytes, link {profile.name} takes at most {profile.mtu_bytes}"
    else:
        why = (
            f"link {profile.name} is too slow for live voice in {what}: they need {share:.0f} % of its time, "
            f"at most {100 * MAX_DUTY:.0f} % may be used"
        )
    if fitting:
        return LiveVerdict(chosen.fit, f"{why}; frames_per_packet {ranges(fitting)} would fit", fitting)
    best = min(rows, key=lambda row: (row.fit is Fit.TOO_LONG, row.duty))
    return LiveVerdict(
        chosen.fit,
        f"{why}; no packet size fits (the best, {best.frames_per_packet} frames, needs {100 * best.duty:.0f} %), "
        "so that voice can only be sent as a recorded message",
        (),
    )


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in words: "2", "3 to 5", "1, 4 to 9"; "none" for no number."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in spans) or "none"
