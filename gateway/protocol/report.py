"""Link reports: what a receiver counted of an over, and the 12 bytes in which it tells the talker (SPEC.md, 15.1-15.2).

The rule: values and their bytes only; a body that contradicts itself is refused with a sentence, never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import LocalProtocolError

BODY_BYTES = 12
MAX_PACKETS = 0xFFF  # counts beyond it are sent as it (15.1)
_OVER_IDS = 32
_BURST_STEPS = 8  # mean burst goes out in eighths of a packet
_SNR_STEPS = 2  # and the signal-to-noise ratio in half decibels
_SNR_UNKNOWN = -128


@dataclass(frozen=True, slots=True)
class Reception:
    """How one over arrived, in packets: `expected` from the first to the last one heard, `lost` of them never came, in
    `bursts` runs, the longest of `longest_burst`; `late` came after their turn to be played.
    """

    over_id: int
    expected: int
    lost: int
    bursts: int
    longest_burst: int
    late: int = 0
    source: int | None = None
    snr_db: float | None = None

    @property
    def loss(self) -> float:
        """Share of packets that could not be played: lost or late."""
        return (self.lost + self.late) / self.expected if self.expected else 0.0

    @property
    def mean_burst(self) -> float:
        """Mean number of packets lost in a row, 0 without loss: the L of a Gilbert-Elliott channel."""
        return self.lost / self.bursts if self.bursts else 0.0


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What `source` tells `about` on its over `over_id`. `mean_burst` in packets; `snr_db` None: not known.

    Raises LocalProtocolError for fields that 15.2 forbids.
    """

    source: int
    about: int
    over_id: int
    expected: int
    lost: int
    mean_burst: float
    longest_burst: int
    late: int = 0
    snr_db: float | None = None

    def __post_init__(self) -> None:
        for name, value, most in (
            ("source", self.source, 0xFFFF),
            ("about", self.about, 0xFFFF),
            ("over id", self.over_id, _OVER_IDS - 1),
            ("expected", self.expected, MAX_PACKETS),
            ("longest burst", self.longest_burst, 0xFF),
            ("late", self.late, 0xFF),
        ):
            if not 0 <= value <= most:
                raise LocalProtocolError(f"link report: {name} is {value}, needs 0 to {most}")
        for name, number, steps, least, most in (
            ("mean burst", self.mean_burst, _BURST_STEPS, 0, 0xFF),
            ("SNR", self.snr_db or 0.0, _SNR_STEPS, -127, 127),
        ):
            if number * steps != round(number * steps) or not least <= number * steps <= most:
                raise LocalProtocolError(
                    f"link report: {name} is {number}, needs {least / steps} to {most / steps} in 1/{steps}"
                )
        if (fault := _contradiction(self.expected, self.lost, self.mean_burst, self.longest_burst, self.late)) != "":
            raise LocalProtocolError(f"link report: {fault} (SPEC 15.2)")

    @classmethod
    def of(cls, reception: Reception, *, source: int, about: int) -> LinkReport:
        """The report of a reception: counts cut to what the fields hold, in proportion where proportion matters."""
        expected, lost, late = reception.expected, reception.lost, reception.late
        if expected > MAX_PACKETS:
            lost, late = (round(count * MAX_PACKETS / expected) for count in (lost, late))
            expected = MAX_PACKETS
        lost = min(lost, expected - 1)
        longest = min(reception.longest_burst, lost, 0xFF)
        lost = lost if longest else 0
        mean = min(max(reception.mean_burst, 1.0), float(longest), 0xFF / _BURST_STEPS) if lost else 0.0
        snr = None
        if reception.snr_db is not None:
            snr = max(-127, min(127, round(reception.snr_db * _SNR_STEPS))) / _SNR_STEPS
        return cls(
            source=source,
            about=about,
            over_id=reception.over_id,
            expected=expected,
            lost=lost,
            mean_burst=round(mean * _BURST_STEPS) / _BURST_STEPS,
            longest_burst=longest,
            late=min(late, expected - lost, 0xFF),
            snr_db=snr,
        )

    def body(self) -> bytes:
        """The 12 bytes after the kind (15.1)."""
        snr = _SNR_UNKNOWN if self.snr_db is None else round(self.snr_db * _SNR_STEPS)
        return (
            self.source.to_bytes(2, "big")
            + self.about.to_bytes(2, "big")
            + bytes((self.over_id << 3,))
            + (self.expected << 12 | self.lost).to_bytes(3, "big")
            + bytes((round(self.mean_burst * _BURST_STEPS), self.longest_burst, self.late))
            + snr.to_bytes(1, "big", signed=True)
        )

    @property
    def loss(self) -> float:
        """Share of packets that could not be played: lost or late."""
        return (self.lost + self.late) / self.expected


def read_report(body: bytes) -> LinkReport | str:
    """The report in a body of exactly 12 bytes, or what is wrong with its fields. Never raises."""
    counts = int.from_bytes(body[5:8], "big")
    expected, lost = counts >> 12, counts & 0xFFF
    mean, longest, late = body[8] / _BURST_STEPS, body[9], body[10]
    if (fault := _contradiction(expected, lost, mean, longest, late)) != "":
        return fault
    snr = int.from_bytes(body[11:12], "big", signed=True)
    return LinkReport(
        source=int.from_bytes(body[:2], "big"),
        about=int.from_bytes(body[2:4], "big"),
        over_id=body[4] >> 3,
        expected=expected,
        lost=lost,
        mean_burst=mean,
        longest_burst=longest,
        late=late,
        snr_db=None if snr == _SNR_UNKNOWN else snr / _SNR_STEPS,
    )


def _contradiction(expected: int, lost: int, mean_burst: float, longest: int, late: int) -> str:
    """Why these counts cannot be of one over; empty if they can (15.2)."""
    if not 0 <= lost < expected:
        return f"{lost} lost of {expected} packets: the first and the last one were heard"
    if late > expected - lost:
        return f"{late} late of {expected - lost} packets that came"
    if lost == 0:
        return "" if longest == 0 and mean_burst == 0 else "bursts without loss"
    if not 1 <= longest <= lost or not 1 <= mean_burst <= longest:
        return f"{lost} lost in bursts of {mean_burst} on average, the longest of {longest}"
    return ""
