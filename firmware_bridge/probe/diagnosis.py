"""When nothing answers: what is probably wrong, in words, and what to try.

Rule: pure; from what was seen on the port to a diagnosis. It says what was seen first, for a guess may be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from firmware_bridge.driver import ModemStatus
from firmware_bridge.profile import ModemProfile

ECHO_BYTES = 4
"""So many bytes must come back before it is called an echo."""
SHOWN = 60


class Stage(Enum):
    """How far the test came."""

    PORT = "port"
    MODEM = "modem"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen. `written` and `received` are the last bytes of each way, the counts all of them.

    `works_at_baud`: the modem answered at this other rate. `holder`: programs that have the port open.
    """

    stage: Stage
    address: str
    profile: ModemProfile
    status: ModemStatus
    status_text: str
    written: bytes = b""
    written_bytes: int = 0
    received: bytes = b""
    received_bytes: int = 0
    cts: bool | None = None
    packets_foreign: int = 0
    packets_damaged: int = 0
    lost_text: str = ""
    works_at_baud: int | None = None
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`what` is a sentence; `tries` in the order of likelihood."""

    what: str
    tries: tuple[str, ...]

    def text(self) -> str:
        """For people."""
        return "\n".join([self.what, *(f"  - {one}" for one in self.tries)])


@dataclass(frozen=True, slots=True)
class PeerEvidence:
    """What the second port of the test saw: bytes from its modem, and what they were (`Answerer.counts`)."""

    address: str
    received_bytes: int
    counts: Mapping[str, int]


def diagnose(seen: Evidence, peer: PeerEvidence | None = None) -> Diagnosis:
    """The most probable cause of what was seen."""
    if seen.stage is Stage.PORT:
        return _of_port(seen)
    if seen.works_at_baud is not None:
        return Diagnosis(
            f"the modem does not answer at {seen.profile.port.baud} baud, but it does at {seen.works_at_baud}",
            (f"set baud = {seen.works_at_baud} in [port] of the profile, or the modem to {seen.profile.port.baud}",),
        )
    if is_echo(seen.written, seen.received):
        return _of_echo()
    if seen.stage is Stage.MODEM or seen.status is not ModemStatus.READY:
        return _of_modem(seen)
    return _of_peer(seen) if peer is None else _between(seen, peer)


def is_echo(written: bytes, received: bytes) -> bool:
    """Whether all that came is what we wrote."""
    return len(received) >= ECHO_BYTES and received[-64:] in written


def is_garbage(received: bytes) -> bool:
    """Whether it is nothing that a modem with a text interface would say."""
    odd = sum(not (32 <= byte < 127 or byte in (9, 10, 13)) for byte in received)
    return odd > 0.25 * len(received)


def readable(data: bytes) -> str:
    """The last of what was said, on one line."""
    shown = data[-SHOWN:]
    named = {10: "\\n", 13: "\\r"}
    text = "".join(chr(byte) if 32 <= byte < 127 else named.get(byte, f"\\x{byte:02x}") for byte in shown)
    return f"{'...' if len(data) > SHOWN else ''}{text}"


def _of_port(seen: Evidence) -> Diagnosis:
    text = seen.status_text
    if seen.address.startswith(("tcp://", "rfc2217://")):
        return Diagnosis(
            text, ("is the program or box behind it running, and its port as in its settings?", "a firewall between?")
        )
    if "permission" in text:
        return Diagnosis(text, ("sudo usermod -aG dialout $USER, then log in again", "ls -l shows the device's group"))
    if "no serial device" in text or "no hardware" in text:
        return Diagnosis(text, ("`clarilink ports` lists the ports there are",))
    if seen.holder is not None or "in use" in text:
        by = "" if seen.holder is None else f" by {seen.holder}"
        return Diagnosis(
            f"{text}{f' (open{by})' if by and by not in text else ''}",
            (
                f"end the program that has it open{by}",
                "ModemManager takes new ports for some seconds: sudo systemctl stop ModemManager",
            ),
        )
    return Diagnosis(text, ("`clarilink ports` lists the ports there are", "plug it in again and look at `dmesg`"))


def _of_echo() -> Diagnosis:
    return Diagnosis(
        "all that comes from the port is what we write to it: an echo, and no modem behind it",
        (
            'TX and RX joined (a loop-back plug, a half-duplex adapter)? Remove it, or set echo = "drop" in [settings] '
            "where the line returns what is sent and the driver knows that setting",
            "a modem in another mode, or with its command echo on and its answers off? Switch it off and on",
            "the profile's driver is another modem's: `ls configs/modem`",
        ),
    )


def _of_modem(seen: Evidence) -> Diagnosis:
    port = seen.profile.port
    said = f"the modem is {seen.status.value} ({seen.status_text})"
    if seen.cts is False and port.flow == "rts-cts":
        return Diagnosis(
            f"{said}: it keeps CTS off, so that nothing can be written to it",
            ("is it switched on?", 'a cable without the CTS wire? Use a full cable, or flow = "none" in [port]'),
        )
    if not seen.received_bytes:
        return Diagnosis(
            f"{said}: {seen.written_bytes} bytes written, none came back",
            (
                "is the modem switched on, and this its port? `clarilink ports` lists them",
                f"the baud rate: {port.baud} by the profile; many modems are silent at another",
                "TX and RX crossed? Try with (or without) a null-modem cable",
                "a modem that sleeps or is in data mode: switch it off and on",
            ),
        )
    if is_garbage(seen.received):
        return Diagnosis(
            f"{said}: {seen.received_bytes} bytes came, but they make no sense",
            (
                f"a wrong baud rate (the profile's is {port.baud}), or wrong parity or data bits",
                "RS-232 levels on a TTL port or the reverse: everything is inverted then",
                "a missing ground wire",
                f"last bytes: {readable(seen.received)}",
            ),
        )
    if seen.status is ModemStatus.STARTING:
        return Diagnosis(
            f"{said}: it answers, but is not ready in the time",
            (
                "a call that does not come about: the right number? Does the far end answer? Both must be up",
                "--wait gives it more time",
                f"it said last: {readable(seen.received)}",
            ),
        )
    return Diagnosis(
        f"{said}: it talks, but not as the driver {seen.profile.driver!r} expects",
        (
            f"it said: {readable(seen.received)}",
            "is the profile the one of this modem, and its firmware's language the one of the driver?",
        ),
    )


def _between(seen: Evidence, peer: PeerEvidence) -> Diagnosis:
    if peer.counts.get("probes"):
        return Diagnosis(
            f"{peer.address} hears the questions and answers, but no answer comes to {seen.address}",
            ("a one-way path: the other transmitter, its keying, this receiver", "--wait gives a slow way more time"),
        )
    if peer.counts.get("damaged"):
        return Diagnosis(
            f"what comes to {peer.address} is damaged, all {peer.counts['damaged']} packets",
            ("a weak signal, or far too strong a one", "do both sides have the same data rate on the air?"),
        )
    if peer.received_bytes and not peer.counts.get("foreign") and seen.profile.driver == "transparent":
        return Diagnosis(
            f"{peer.received_bytes} bytes came to {peer.address}, but no packet is among them",
            (
                f"the baud rate ({seen.profile.port.baud} by the profile) at either end",
                "a radio with its squelch open: noise comes as bytes; close it",
            ),
        )
    found = _of_peer(seen)
    return Diagnosis(f"{found.what}: nothing of it comes to {peer.address}", found.tries[1:] or found.tries)


def _of_peer(seen: Evidence) -> Diagnosis:
    other = f"`clarilink modem-test PORT -c {seen.profile.name} --answer` on the other side, or --peer PORT2"
    if seen.lost_text:
        return Diagnosis(
            f"the modem refuses packets: {seen.lost_text}",
            ("does its address, channel or call fit? See [settings] of the profile",),
        )
    if seen.packets_foreign:
        return Diagnosis(
            f"nobody answers the test, but {seen.packets_foreign} packets of something else were heard",
            (f"a station is running there: end it, and run {other}",),
        )
    if seen.packets_damaged:
        return Diagnosis(
            f"answers come, but all {seen.packets_damaged} are damaged",
            ("a weak signal, or far too strong a one", "do both sides have the same data rate on the air?"),
        )
    if seen.received_bytes and seen.profile.driver == "transparent":
        return Diagnosis(
            f"no answer: {seen.received_bytes} bytes came, but no packet is among them",
            (
                f"the baud rate ({seen.profile.port.baud} by the profile) at this end and at the other",
                "a radio with its squelch open: noise comes as bytes; close it",
                "the other side frames packets differently: the same profile on both",
            ),
        )
    return Diagnosis(
        "the modem takes packets, but nobody answers",
        (
            f"run {other}",
            "are both modems on the same channel, address, data rate; antennas or transducers connected, in the water?",
            "a transparent modem never says anything itself: port, baud rate and cable may be wrong at either end"
            if seen.profile.driver == "transparent"
            else "does the other side hear something? Its terminal shows it",
        ),
    )
