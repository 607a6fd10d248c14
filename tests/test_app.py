"""From a configuration to the right link, and whether its packets need a checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.app import build_link, wants_crc
from gateway.clock import ManualClock
from gateway.config import StationConfig
from gateway.errors import ConfigError, GatewayError, LinkClosed
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import ParrotLink
from gateway.links.zeromq import ZeromqChannelLink, ZeromqPeersLink
from gateway.metrics import Metrics

PEERS = {"kind": "zeromq-peers", "bind": "tcp://127.0.0.1:5999"}
CHANNEL = {"kind": "zeromq-channel", "endpoint": "tcp://127.0.0.1:5998"}
MEMORY = {"kind": "memory", "mode": "parrot"}


def config(link: dict[str, Any], **sections: Any) -> StationConfig:
    return StationConfig.model_validate({"station": {"name": "x", "id": 3}, "link": link, **sections})


@pytest.mark.parametrize(
    ("section", "kind"), [(PEERS, ZeromqPeersLink), (CHANNEL, ZeromqChannelLink), (MEMORY, ParrotLink)]
)
def test_the_configured_link_is_built_unopened(section: dict[str, Any], kind: type) -> None:
    link = build_link(config(section), ManualClock(), Metrics())
    assert type(link) is kind
    with pytest.raises(LinkClosed):
        link.send(b"x")


def test_a_channel_wraps_any_link() -> None:
    link = build_link(config(MEMORY, channel={"preset": "geo"}), ManualClock(), Metrics())
    assert isinstance(link, EmulatedLink)
    assert "geo" in link.info.name


def test_an_unknown_channel_is_named() -> None:
    with pytest.raises((ConfigError, GatewayError), match="no-such-channel"):
        build_link(config(MEMORY, channel={"preset": "no-such-channel"}), ManualClock(), Metrics())


@pytest.mark.parametrize(("crc", "wanted"), [("on", True), ("off", False), ("auto", False)])
def test_checksums_are_as_configured_and_automatic_where_the_link_checks_itself(crc: str, wanted: bool) -> None:
    made = config(PEERS, packets={"crc": crc})
    assert wants_crc(made, build_link(made, ManualClock(), Metrics())) is wanted


def test_automatic_checksum_where_the_channel_damages_bits() -> None:
    made = config(MEMORY, channel={"preset": "bit-errors-1pct"})
    assert wants_crc(made, build_link(made, ManualClock(), Metrics()))


def test_a_tag_makes_a_checksum_needless() -> None:
    secure = {"mode": "authenticate", "key_file": Path("net.key")}
    for crc, wanted in (("auto", False), ("on", True)):
        made = config(CHANNEL, packets={"crc": crc}, security=secure)
        assert wants_crc(made, build_link(made, ManualClock(), Metrics())) is wanted
    plain = config(CHANNEL)
    assert wants_crc(plain, build_link(plain, ManualClock(), Metrics()))
