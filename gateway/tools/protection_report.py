"""`clarilink protection`: no protection, each tool and the chosen profiles side by side, against theory.

Rule: one row, one protection; what it costs stands beside what it leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from gateway.channel.impairments import ChannelSpec
from gateway.protocol.packets import FRAME_S
from gateway.protocol.protection import Protection
from gateway.protocol.protection_airtime import protected_over_bytes, protected_rate_bps
from gateway.protocol.protection_file import load_protection
from gateway.tools.protection_trial import BitsLeft, FramesLeft, bit_theory, bit_trial, loss_theory, loss_trial

LOSS = 0.10
BURSTS = (2, 8)
BIT_ERROR_RATE = 0.01
SHORT_OVER_FRAMES = 75
"""An over of 6 s: its ends weigh more than in a long one."""
PACKET_TOOLS = (
    "none",
    "stage-one-repeat:distance=4",
    "two-byte-repeat:distance=4",
    "payload-repeat:distance=4",
    "reed-solomon:n=6,k=4",
    "reed-solomon:n=8,k=5",
    "quick-packet",
    "robust-packet",
)
BIT_TOOLS = ("bit:strong_bits=8", "bit:strong_bits=14", "bit:strong_bits=24", "robust-transparent")


@dataclass(frozen=True, slots=True)
class Cost:
    """Bit/s on the air, headers and session blocks included, of a long over and of one of 6 s; delay added, seconds."""

    rate_bps: float
    short_over_bps: float
    delay_s: float


@dataclass(frozen=True, slots=True)
class PacketRow:
    """A protection of a link that delivers a packet whole or not at all; what is left by mean burst."""

    tool: str
    cost: Cost
    found: dict[int, FramesLeft]
    theory: dict[int, FramesLeft]


@dataclass(frozen=True, slots=True)
class BitRow:
    """A protection of a link that delivers bits with errors."""

    tool: str
    cost: Cost
    found: BitsLeft
    theory: BitsLeft


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows of one run."""

    frames_per_packet: int
    packets: int
    seed: int
    packet_rows: tuple[PacketRow, ...]
    bit_rows: tuple[BitRow, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def compare(frames_per_packet: int, packets: int, seed: int) -> Comparison:
    """Try every tool on `packets` voice packets; repeatable by `seed`."""
    packet_rows = tuple(_packet_row(tool, frames_per_packet, packets, seed) for tool in PACKET_TOOLS)
    return Comparison(frames_per_packet, packets, seed, packet_rows, tuple(_bit_rows(frames_per_packet, packets, seed)))


def _packet_row(tool: str, frames_per_packet: int, packets: int, seed: int) -> PacketRow:
    protection = load_protection(tool)
    channels = {burst: ChannelSpec("loss", loss=LOSS, mean_burst=burst) for burst in BURSTS}
    found = {
        burst: loss_trial(protection, channel, packets=packets, frames_per_packet=frames_per_packet, seed=seed)
        for burst, channel in channels.items()
    }
    theory = {burst: loss_theory(protection, LOSS, burst) for burst in BURSTS}
    return PacketRow(_label(tool, protection), _cost(protection, frames_per_packet, crc=False), found, theory)


def _bit_rows(frames_per_packet: int, packets: int, seed: int) -> Iterator[BitRow]:
    tools = [("none, without CRC", "none", False, False), ("none, with CRC", "none", True, False)]
    tools += [("", tool, False, False) for tool in BIT_TOOLS]
    tools.append((f"{BIT_TOOLS[-1]}, soft bits", BIT_TOOLS[-1], False, True))
    for label, tool, crc, soft in tools:
        protection = load_protection(tool)
        found = bit_trial(
            protection,
            BIT_ERROR_RATE,
            packets=packets // 10 if soft else packets,  # weighing 4096 words at a time takes its time
            frames_per_packet=frames_per_packet,
            seed=seed,
            crc=crc,
            soft=soft,
        )
        theory = bit_theory(protection, BIT_ERROR_RATE, frames_per_packet=frames_per_packet, crc=crc)
        cost = _cost(protection, frames_per_packet, crc=crc)
        yield BitRow(label or _label(tool, protection), cost, found, theory)


def _cost(protection: Protection, frames_per_packet: int, *, crc: bool) -> Cost:
    short = protected_over_bytes(protection, SHORT_OVER_FRAMES, frames_per_packet, crc=crc)
    return Cost(
        round(protected_rate_bps(protection, frames_per_packet, crc=crc), 1),
        round(short * 8 / (SHORT_OVER_FRAMES * FRAME_S), 1),
        round(protection.delay_packets * frames_per_packet * FRAME_S, 2),
    )


def _label(tool: str, protection: Protection) -> str:
    return protection.name if ":" in tool or tool == protection.name else f"{tool}: {protection.name}"


def table(comparison: Comparison) -> str:
    """For people: some 130 columns."""
    tools = [row.tool for row in comparison.packet_rows] + [row.tool for row in comparison.bit_rows]
    width = max(map(len, tools)) + 1
    head = f"{'':<{width}}{'bit/s':>7}{'6 s over':>10}{'delay s':>9}"
    lines = [
        f"{comparison.packets} packets of {comparison.frames_per_packet * FRAME_S * 1000:.0f} ms, seed "
        f"{comparison.seed}; % of frames: found (theory)",
        f"Packets lost, {100 * LOSS:.0f} %:",
        head + "".join(f"{f'lost, burst {burst}':>15}{'in part':>13}" for burst in BURSTS),
    ]
    for row in comparison.packet_rows:
        cells = (
            f"{_pair(row.found[burst].lost, row.theory[burst].lost, 15)}"
            f"{_pair(row.found[burst].partial, row.theory[burst].partial, 13)}"
            for burst in BURSTS
        )
        lines.append(f"{row.tool:<{width}}{_cells(row.cost)}" + "".join(cells))
    lines += [
        f"Bits wrong, {100 * BIT_ERROR_RATE:g} % (theory is an upper bound where there is a code):",
        head + f"{'packets lost':>18}{'12 top bits wrong':>20}{'12 others wrong':>19}",
    ]
    for bits in comparison.bit_rows:
        found, theory = bits.found, bits.theory
        lines.append(
            f"{bits.tool:<{width}}{_cells(bits.cost)}{_pair(found.lost, theory.lost, 18, 3)}"
            f"{_pair(found.strong, theory.strong, 20, 4)}{_pair(found.weak, theory.weak, 19, 4)}"
        )
    return "\n".join(lines)


def _cells(cost: Cost) -> str:
    return f"{cost.rate_bps:>7.0f}{cost.short_over_bps:>10.0f}{cost.delay_s:>9.2f}"


def _pair(found: float, theory: float, width: int, places: int = 1) -> str:
    return f"{f'{100 * found:.{places}f} ({100 * theory:.{places}f})':>{width}}"
