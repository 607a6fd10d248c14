"""Whether a link can carry live voice: which packet sizes and protections fit into its rate (SPEC.md, clauses 9.3-9.7).

The rule: arithmetic alone, from a link's figures and small descriptors of what protection adds; nothing is measured
here. A verdict always comes with a sentence that says why, and which packet sizes would do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.airtimes import airtime_ms
from gateway.errors import LocalProtocolError
from gateway.protocol.bit_protection import coded_voice_bytes
from gateway.protocol.checksum import CRC_BYTES
from gateway.protocol.packetizer import SESSION_EVERY
from gateway.protocol.packets import FRAME_BYTES, FRAME_S, HEADER_BYTES, MAX_FRAMES, SESSION_BYTES
from gateway.protocol.protection import Protection as Guard
from gateway.protocol.protection import ProtectionKind
from gateway.protocol.protection_airtime import DESCRIPTOR_BYTES, PARITY_HEAD_BYTES

CODEC_DELAY_S = 0.255
"""Frame, two frames of lookahead and synthesis window of codec 1."""
MAX_DUTY = 0.95
"""Most of the channel time that live voice may take; the rest is for texts, drifting clocks, figures that flatter."""
LIVE_FRAMES = range(1, 25)
"""Packet sizes, in frames, that a station may be configured to."""


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """What the arithmetic needs of a link. `rate_bps` None: no limit known; `mtu_bytes` None: any length.

    A packet of n bytes takes `fixed_s` + (n + `overhead_bytes`) * 8 / `rate_bps`, or what `airtimes_ms`, measured
    (bytes, ms), say. `turnaround_s` is the key-up time of
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
    airtimes_ms: tuple[tuple[int, float], ...] = ()

    def airtime_s(self, n_bytes: float) -> float:
        """Seconds that a packet of `n_bytes` occupies the channel, key-up not counted."""
        if self.airtimes_ms:
            return airtime_ms(self.airtimes_ms, n_bytes) / 1000
        sent_s = 0.0 if self.rate_bps is None else (n_bytes + self.overhead_bytes) * 8 / self.rate_bps
        return self.fixed_s + sent_s


@dataclass(frozen=True, slots=True)
class Protection:
    """What a protection (or checksum, or security) adds to voice packets; `with_` joins several.

    `frame_bytes` per frame and `packet_bytes` per packet ride in the packet, `session_bytes` more in one with session
    block. `packets` is how many are sent per packet of voice, parity packets included, which are `parity_bytes`
    longer. `wait_packets` is how long the receiver waits for what
    repairs, in packets. `strong_bits`: so many of each frame's 24 under the bit protection of 12.3, 0 without it.
    """

    name: str
    frame_bytes: float = 0.0
    packet_bytes: int = 0
    session_bytes: int = 0
    packets: float = 1.0
    wait_packets: int = 0
    parity_bytes: int = 0
    strong_bits: int = 0

    def __post_init__(self) -> None:
        if min(self.frame_bytes, self.packet_bytes, self.session_bytes, self.wait_packets, self.parity_bytes) < 0:
            raise LocalProtocolError(f"protection {self.name!r} takes bytes away: {self}")
        if self.packets < 1:
            raise LocalProtocolError(f"protection {self.name!r}: needs packets >= 1")

    def with_(self, other: Protection) -> Protection:
        """Both at once; the name of one that adds nothing is left out."""
        return Protection(
            " + ".join(name for name in (self.name, other.name) if name != NO_PROTECTION.name) or NO_PROTECTION.name,
            self.frame_bytes + other.frame_bytes,
            self.packet_bytes + other.packet_bytes,
            self.session_bytes + other.session_bytes,
            self.packets * other.packets,
            max(self.wait_packets, other.wait_packets),
            self.parity_bytes + other.parity_bytes,
            max(self.strong_bits, other.strong_bits),
        )


REPEATED_BYTES = {
    ProtectionKind.STAGE_ONE_REPEAT: 1.5,
    ProtectionKind.TWO_BYTE_REPEAT: 2.0,
    ProtectionKind.PAYLOAD_REPEAT: 3.0,
}
"""Of each frame."""


def cost_of(guard: Guard) -> Protection:
    """What a protection of clause 12 costs (12.4)."""
    match guard.kind:
        case ProtectionKind.STAGE_ONE_REPEAT | ProtectionKind.TWO_BYTE_REPEAT | ProtectionKind.PAYLOAD_REPEAT:
            return Protection(
                guard.name, REPEATED_BYTES[guard.kind], DESCRIPTOR_BYTES, wait_packets=guard.delay_packets
            )
        case ProtectionKind.REED_SOLOMON:
            return Protection(
                guard.name,
                packets=guard.n / guard.k,
                wait_packets=guard.delay_packets,
                parity_bytes=PARITY_HEAD_BYTES - HEADER_BYTES,
            )
        case ProtectionKind.BIT:
            return Protection(guard.name, strong_bits=guard.strong_bits)
        case _:
            return NO_PROTECTION


NO_PROTECTION = Protection("none")
CHECKSUM = Protection("crc", packet_bytes=CRC_BYTES)
SECURED_PARITY_BYTES = 3
"""What a packet sealed aside has besides the tag: its header in clear, and its place (13.9)."""
SECURITY_BLOCK_BYTES = 16
"""Source, key id, counter, round and salt, in every packet with a session block (13.4)."""


def security(tag_bytes: int) -> Protection:
    """A tag on every packet, the security block with the session block (13.14)."""
    return Protection(
        "security", packet_bytes=tag_bytes, session_bytes=SECURITY_BLOCK_BYTES, parity_bytes=SECURED_PARITY_BYTES
    )


SECURITY_TAG = security(4)
GUARDS: tuple[Guard, ...] = (
    Guard(),
    Guard(ProtectionKind.STAGE_ONE_REPEAT),
    Guard(ProtectionKind.TWO_BYTE_REPEAT, distance=2),
    Guard(ProtectionKind.PAYLOAD_REPEAT),
    Guard(ProtectionKind.REED_SOLOMON, n=6, k=4),
    Guard(ProtectionKind.REED_SOLOMON, n=6, k=4, depth=2),
    Guard(ProtectionKind.BIT),
)
PROTECTIONS: tuple[Protection, ...] = tuple(cost_of(guard) for guard in GUARDS)
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
    """Length of a voice packet with all that protection adds to it; bit protection has no checksum or tag beside it."""
    if protection.strong_bits:
        return coded_voice_bytes(frames, protection.strong_bits, session=session)
    plain = HEADER_BYTES + FRAME_BYTES * frames + math.ceil(protection.frame_bytes * frames) + protection.packet_bytes
    if session:
        plain += SESSION_BYTES + protection.session_bytes
    return plain


def live_row(profile: LinkProfile, frames: int, protection: Protection, cushion_s: float = 0.0) -> LiveRow:
    """The figures of packets of `frames` frames. Raises LocalProtocolError unless 1 <= frames <= 63."""
    if not 1 <= frames <= MAX_FRAMES:
        raise LocalProtocolError(f"{frames} frames per packet: needs 1 to {MAX_FRAMES}")
    packet_s = frames * FRAME_S
    plain, longest = (packet_bytes(frames, protection, session=session) for session in (False, True))
    mean = (plain * (SESSION_EVERY - 1) + longest) / SESSION_EVERY
    parities, parity = protection.packets - 1, plain + protection.parity_bytes
    sent_s = profile.airtime_s(mean) + parities * profile.airtime_s(parity)
    turnaround_s = profile.turnaround_s if profile.half_duplex else 0.0
    duty = sent_s / packet_s
    fit = Fit.LIVE if duty <= MAX_DUTY else Fit.TOO_SLOW
    longest = max(longest, parity if parities else 0)
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
        (mean + parities * parity) * 8 / packet_s,
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
