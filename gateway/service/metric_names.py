"""What a station's counters and gauges are called in Prometheus, and what they mean. Pure.

Rule: one table; a counter that is not in it is exported all the same, under a name made of its own. A dotted name's
last part becomes a label where the part before is a `LABELLED` family.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PREFIX = "clarilink_"


@dataclass(frozen=True, slots=True)
class Metric:
    """A counter or gauge of the station as Prometheus knows it: family name (without `_total`), HELP, labels."""

    name: str
    help: str
    labels: tuple[tuple[str, str], ...] = ()


COUNTERS: Mapping[str, str] = MappingProxyType(
    {
        "tx.overs": "Overs sent.",
        "tx.packets": "Voice packets given to the link.",
        "tx.frames": "Voice frames (80 ms) sent.",
        "tx.bytes": "Bytes given to the link for voice.",
        "tx.reports": "Reports sent on how overs of others arrived.",
        "rx.overs": "Overs heard.",
        "rx.overs_without_end": "Overs whose last packet never came: ended by silence or by the next over.",
        "rx.packets": "Packets taken in.",
        "rx.reports": "Reports of others on own overs.",
        "rx.acks": "Acknowledgements of texts heard.",
        "rx.collisions": "Overs into which another station talked.",
        "rx.messages_ignored": "Packets of messages that are not kept here.",
        "rx.frames_played": "Voice frames played as they were sent.",
        "rx.frames_concealed": "Voice frames made up because they were missing.",
        "rx.frames_late": "Voice frames that came after their turn.",
        "rx.frames_duplicate": "Voice frames that came again.",
        "rx.frames_recovered": "Voice frames brought back by protection.",
        "rx.frames_skipped": "Voice frames dropped to keep the delay below its cap.",
        "rx.frames_doubtful": "Voice frames with bits that may be wrong.",
        "rx.frames_coarse": "Voice frames of which only the first half came.",
        "ptt.key_down": "Times the transmitter was unkeyed by the session.",
        "ptt.key_up": "Times the transmitter was keyed by the session.",
        "link.tx_packets": "Packets the link took.",
        "link.tx_bytes": "Bytes the link took.",
        "link.rx_packets": "Packets the link brought.",
        "link.rx_bytes": "Bytes the link brought.",
        "link.lost": "Times the link was lost.",
        "link.outages": "Times the link carried nothing for a while.",
        "keying.transmissions": "Times the transmitter was keyed.",
        "keying.time_outs": "Transmissions ended by the keyer's time-out.",
        "keying.lost": "Times the transmitter went off by itself.",
        "keying.failures": "Times the transmitter could not be keyed or unkeyed.",
        "keying.watchdog_unkeyed": "Times the watchdog unkeyed the transmitter.",
        "keying.without_watchdog": "Transmissions without a watchdog.",
        "message.tx_packets": "Packets of messages sent.",
        "message.rx_packets": "Packets of messages taken in.",
        "message.arrived": "Messages that are here whole.",
        "message.paused": "Times sending messages made way.",
        "message.rx_damaged": "Messages that were damaged on the disk or the air.",
        "adaptation.changes": "Changes of packet size or protection.",
        "adaptation.reports": "Reports used to choose them.",
        "adaptation.reports_unused": "Reports that were no use.",
    }
)
"""Exported from the start, at 0, so that rates of what never happened are 0 and not missing."""

LABELLED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "tx.dropped": ("reason", "Packets not sent."),
        "rx.dropped": ("reason", "Packets dropped on the way in."),
        "rx.ignored": ("reason", "Packets passed over."),
        "ptt.refused": ("reason", "Presses of the key not obeyed."),
        "link.tx_drop": ("reason", "Packets the link did not take."),
        "link.rx_drop": ("reason", "Packets dropped by the link."),
    }
)

GAUGES: Mapping[str, str] = MappingProxyType(
    {
        "rx.cushion_ms": "Learnt wait before an over plays, ms.",
        "tx.frames_per_packet": "Frames in a packet of the next over.",
        "adaptation.loss": "Share of packets lost as reports tell, 0 to 1.",
        "keying.on_s": "Duration of the last transmission, seconds.",
    }
)

_AUDIO = re.compile(r"audio\.(input|output)\.(\w+)")
AUDIO_HELP = {
    "xruns": "Times a sound device ran dry or over.",
    "dropped_samples": "Samples dropped at a sound device.",
    "device_lost": "Times a sound device vanished.",
}


def counter_of(name: str) -> Metric:
    """How the counter `name` of a station is exported."""
    audio = _AUDIO.fullmatch(name)
    if audio is not None:
        text = AUDIO_HELP.get(audio[2], f"Counter audio.*.{audio[2]} of the station.")
        return Metric(plain(f"audio.{audio[2]}"), text, (("direction", audio[1]),))
    for family, (label, text) in LABELLED.items():
        rest = name.removeprefix(family)
        if rest != name and rest[:1] in (".", "_"):
            return Metric(plain(family), text, ((label, rest[1:]),))
    return Metric(plain(name), COUNTERS.get(name, f"Counter {name} of the station."))


def gauge_of(name: str) -> Metric:
    """How the gauge `name` of a station is exported."""
    return Metric(plain(name), GAUGES.get(name, f"Gauge {name} of the station."))


def plain(name: str) -> str:
    """A name that Prometheus takes; `_total` at the end is the client's to add."""
    return PREFIX + re.sub(r"[^a-zA-Z0-9_]", "_", name).removesuffix("_total")
