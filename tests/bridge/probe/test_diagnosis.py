"""Each thing that can be wrong is called by its name, and comes with something to try."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_bridge.driver import ModemStatus
from firmware_bridge.probe.diagnosis import Evidence, PeerEvidence, Stage, diagnose, is_echo, is_garbage, readable
from tests.bridge.toy_modem import toy_profile

READY = Evidence(Stage.PEER, "/dev/ttyX", toy_profile(), ModemStatus.READY, "ready")
SILENT = replace(READY, stage=Stage.MODEM, status=ModemStatus.SILENT, status_text="no answer", written_bytes=30)
NO_PORT = replace(READY, stage=Stage.PORT, status=ModemStatus.NO_PORT)
BARE = READY.profile.model_copy(update={"driver": "transparent"})


@pytest.mark.parametrize(
    ("seen", "what", "to_try"),
    [
        (replace(NO_PORT, status_text="/dev/ttyX: not there (not plugged in?)"), "not there", "clarilink ports"),
        (replace(NO_PORT, status_text="/dev/ttyX: no permission; add"), "no permission", "usermod -aG dialout"),
        (replace(NO_PORT, status_text="in use by another program", holder="picocom (77)"), "picocom (77)", "end the"),
        (replace(NO_PORT, address="tcp://h:1", status_text="cannot connect"), "cannot connect", "running"),
        (SILENT, "30 bytes written, none came back", "switched on"),
        (replace(SILENT, cts=False), "none came back", "baud"),
        (replace(SILENT, works_at_baud=19200), "it does at 19200", "baud = 19200"),
        (replace(SILENT, received=b"\xfe\x80\x00\xff\x9c", received_bytes=5), "make no sense", "wrong baud rate"),
        (replace(SILENT, received=b"HELLO\r\n", received_bytes=7), "not as the driver 'toy'", "it said: HELLO\\r\\n"),
        (replace(SILENT, received=b"AT+X\r", received_bytes=5, written=b"AT+X\rAT+X\r"), "an echo", "TX and RX"),
        (
            replace(SILENT, status=ModemStatus.STARTING, status_text="dialling 7", received=b"OK", received_bytes=2),
            "is starting (dialling 7): it answers, but is not ready",
            "--wait",
        ),
        (READY, "nobody answers", "--answer"),
        (replace(READY, packets_foreign=4), "4 packets of something else", "a station is running"),
        (replace(READY, packets_damaged=4), "all 4 are damaged", "signal"),
        (replace(READY, lost_text="no such address"), "refuses packets: no such address", "[settings]"),
        (replace(READY, received=b"xyz", received_bytes=3, profile=BARE), "no packet is among them", "baud rate"),
        (replace(READY, status=ModemStatus.SILENT, status_text="gone"), "the modem is silent (gone)", "switched on"),
    ],
)
def test_what_is_wrong_has_a_name_and_a_way_out(seen: Evidence, what: str, to_try: str) -> None:
    found = diagnose(seen)
    assert what in found.what
    assert to_try in found.text()
    assert found.tries


def test_what_holds_a_device_that_is_no_port_is_not_to_blame() -> None:
    seen = replace(NO_PORT, status_text="/dev/null: is no serial device", holder="sh (7)")
    assert "sh (7)" not in diagnose(seen).text()


def test_flow_control_that_holds_is_seen_by_its_line() -> None:
    port = READY.profile.port.model_copy(update={"flow": "rts-cts"})
    held = replace(SILENT, cts=False, profile=READY.profile.model_copy(update={"port": port}))
    assert "keeps CTS off" in diagnose(held).what


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        (PeerEvidence("/dev/ttyY", 90, {"probes": 3}), "hears the questions"),
        (PeerEvidence("/dev/ttyY", 90, {"damaged": 3}), "is damaged, all 3"),
        (PeerEvidence("/dev/ttyY", 90, {}), "90 bytes came to /dev/ttyY, but no packet"),
        (PeerEvidence("/dev/ttyY", 0, {}), "nothing of it comes to /dev/ttyY"),
    ],
)
def test_the_second_port_tells_more(peer: PeerEvidence, told: str) -> None:
    assert told in diagnose(replace(READY, profile=BARE), peer).what


def test_echo_garbage_and_readable() -> None:
    assert is_echo(b"0123456789", b"3456")
    assert not is_echo(b"0123456789", b"345")
    assert not is_echo(b"0123456789", b"43210")
    assert is_garbage(bytes(range(128, 200)))
    assert not is_garbage(b"$CAREV,1*00\r\n")
    assert readable(b"a\r\n\x00") == "a\\r\\n\\x00"
    assert readable(bytes(65) * 2).startswith("...")
