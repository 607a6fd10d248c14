"""A modem as the station's link: outages that end by themselves, drops, and what the operator is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.framing.delimited import CobsFramer
from firmware_bridge.link import ModemLink, with_settings
from firmware_bridge.profile import load_profile
from gateway.errors import ConfigError, LinkClosed
from tests.bridge.wires import PATIENCE_S, Device, until

PROFILE = load_profile("direct-115200")
FRAMER = CobsFramer(PROFILE.air.mtu_bytes)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "modem")
    yield made
    made.unplug()


def receive_until(link: ModemLink, data: bytes) -> None:
    def came() -> bool:
        received = link.receive(0.05)
        return received is not None and received.data == data

    until(came)


def test_an_absent_port_is_an_outage_and_no_error(device: Device) -> None:
    told: list[str] = []
    with ModemLink(PROFILE, str(device.path), on_status=told.append) as link:
        assert "not there" in (link.outage() or "")
        assert not link.ready()
        link.send(b"nobody hears this")
        assert link.metrics.counter("link.tx_drop_no_peer") == 1
        assert link.receive(0.01) is None
        assert told[0].startswith("modem no port: ")
        device.plug()
        until(lambda: link.outage() is None)
        until(link.ready)
        link.send(b"heard")
        device.read_until(FRAMER.encode(b"heard"))
        device.write(FRAMER.encode(b"and back"))
        receive_until(link, b"and back")
        assert told[-1] == "modem ready"
        device.unplug()
        until(lambda: link.outage() is not None)
        link.receive(0.0)
        assert "unplugged" in told[-1] or "not there" in told[-1]
        device.plug()
        until(lambda: link.outage() is None)
        device.write(FRAMER.encode(b"after", after_silence=True))
        receive_until(link, b"after")
    with pytest.raises(LinkClosed):
        link.send(b"closed")
    assert link.outage() is None
    assert link.info.name == "modem:direct-115200", "known while closed"


def test_a_full_queue_drops(device: Device) -> None:
    device.plug()
    slow = PROFILE.model_copy(update={"air": PROFILE.air.model_copy(update={"queue_packets": 2, "rate_bps": 100.0})})
    with ModemLink(slow, str(device.path)) as link:
        for _ in range(10):
            link.send(b"one of many")
        assert 6 <= link.metrics.counter("link.tx_drop_queue_full") <= 8
        assert not link.ready()


def test_a_modem_that_is_there_is_ready_when_opened(device: Device) -> None:
    device.plug()
    with ModemLink(PROFILE, str(device.path)) as link:
        assert link.outage() is None


def test_lost_packets_are_told_now_and_then(device: Device) -> None:
    told: list[str] = []
    device.plug()
    link = ModemLink(PROFILE, str(device.path), on_status=told.append)
    link.open()
    for _ in range(3):
        link._tell_now_and_then("packet not sent: modem busy")
    link._tell_now_and_then("packet not sent: too long")
    link.close()
    assert told == ["packet not sent: modem busy", "packet not sent: too long"]


def test_settings_override_the_profile_and_are_checked(device: Device) -> None:
    changed = with_settings(PROFILE, {"check": "none"})
    assert ModemLink(changed, str(device.path)).info.has_integrity is False
    assert changed.settings == {"check": "none"}
    with pytest.raises(ConfigError, match=r"direct-115200: settings.*remote"):
        ModemLink(with_settings(PROFILE, {"remote": 3}), str(device.path))


def test_the_patience_of_tests_is_longer_than_the_last_retry() -> None:
    from firmware_bridge.runner import LAST_RETRY_S

    assert PATIENCE_S > 2 * LAST_RETRY_S
