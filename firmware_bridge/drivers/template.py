"""A driver to copy: a complete one for an imaginary modem that speaks in lines. How to use it: docs/write-a-driver.md.

Rule: write here, in one or two lines, what must never be broken: when is a packet sent, what happens if the modem
restarts. And name the vendor's document, with its revision, that says what stands below; say what you could not verify.

The modem (imaginary; Example Modem Company, Reference Manual rev. 1):

    host               modem
    HELLO              OK EXAMPLE 1.0             who is there
    ADDRESS 7          OK 7                       set a parameter; ERROR for a bad one
    SEND 0A0B0C        TAKEN, later DONE          BUSY if it cannot now
                       HEARD 0A0B0C 12.5          a packet, its SNR in dB
                       EXAMPLE UP                 it has booted
"""

from __future__ import annotations

from random import Random

from pydantic import Field

from firmware_bridge.driver import ModemStatus, Outgoing
from firmware_bridge.drivers.scripted import ScriptedDriver, Step
from firmware_bridge.framing.lines import LineReader
from firmware_bridge.framing.nmea import finite, hex_bytes
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, settings_of
from firmware_bridge.sim.template import VirtualTemplate
from gateway.config import StrictModel
from gateway.metrics import Metrics


class TemplateSettings(StrictModel):
    """What a profile may have in [settings]. Unknown keys and wrong values are told to the user by file and key: all
    you do is to say here what is right."""

    address: int = Field(default=1, ge=0, le=255)


class TemplateDriver(ScriptedDriver):
    """`ScriptedDriver` sets the modem up, asks whether it is still there, starts over when it falls silent or boots.
    `ModemDriver` above it keeps the queue: a packet ends in one of `_done`, `_give_up`; whatever is under way when the
    port closes or the modem boots is sent again. A modem without replies is better off on `ModemDriver` itself."""

    _reply_s = 2.0  # the manual promises an answer within a second

    def __init__(self, profile: ModemProfile, metrics: Metrics | None = None, rng: Random | None = None) -> None:
        super().__init__(profile, metrics)
        self.settings = settings_of(profile, TemplateSettings)
        self._reader = LineReader()
        self._is_taken = False

    # ---- greeting and set-up: one command at a time, each until `_answered`

    def _script(self) -> list[Step]:
        address = self.settings.address
        return [
            # The line end in front ends whatever half a command may stand in the modem's buffer.
            Step("HELLO", b"\r\nHELLO\r\n", expect="OK EXAMPLE"),
            Step("ADDRESS", f"ADDRESS {address}\r\n".encode(), expect=f"OK {address}"),
        ]

    def _probe(self) -> Step | None:
        # Asked when the modem has said nothing for half a minute. None: your modem must not be asked.
        return Step("HELLO", b"HELLO\r\n", expect="OK EXAMPLE")

    def _forget_line(self) -> None:
        # The port is new: nothing half read.
        self._reader = LineReader()

    def _forget_modem(self) -> None:
        # The port is new, or the modem has booted: nothing under way.
        self._is_taken = False

    # ---- sending: called with the head of the queue when the modem is free

    def _transmit(self, packet: Outgoing, now: float) -> None:
        self._is_taken = False
        self._write(b"SEND " + packet.data.hex().encode() + b"\r\n")
        # If this passes, `_waited_in_vain` takes the modem for silent. Give it time to write, to answer, to send.
        self._wait_until = now + self._reply_s + self.info.airtime_s(len(packet.data))

    # ---- what the modem says: bytes come cut anywhere, with noise among them; nothing here may raise

    def _parse(self, now: float) -> None:
        lines = self._reader.receive(bytes(self._inbox))
        self._inbox.clear()
        for line in lines:
            self._take(line.decode("ascii", "replace").strip(), now)

    def _take(self, text: str, now: float) -> None:
        self._heard_at = now
        step = self._step
        word, _, rest = text.partition(" ")
        if text == "EXAMPLE UP":
            self._modem_restarted(now, "the modem has booted")
        elif word == "HEARD":
            self._take_packet(rest)
        elif step is not None and text.startswith(step.expect):
            self._answered(now)
        elif step is not None and word == "ERROR":
            self._refused(now)
        elif word == "TAKEN" and self._under_way is not None:
            self._is_taken = True
        elif word == "BUSY" and self._under_way is not None and not self._is_taken:
            self._busy(now, 0.5)
        elif word == "DONE" and self._is_taken:
            self._is_taken = False
            self._done()
        else:
            # Damage and surprises are counted, so that an operator sees them; they never stop a driver.
            self.metrics.count("modem.rx_other_lines")

    def _take_packet(self, rest: str) -> None:
        digits, _, snr = rest.partition(" ")
        data, snr_db = hex_bytes(digits), finite(snr)
        if not data:
            self.metrics.count("modem.rx_malformed")
            return
        self._heard(data, snr_db)
        if snr_db is not None:
            self._measured("snr_db", snr_db)

    def _stop(self, now: float) -> None:
        # Good-bye, if the modem wants one; the port is closed after it.
        if self._status is ModemStatus.READY:
            self._write(b"BYE\r\n")


MODEM = ModemKind("template", TemplateSettings, TemplateDriver, VirtualTemplate)
"""What the entry point names. The virtual modem may be None, at the price of trying everything on hardware."""
