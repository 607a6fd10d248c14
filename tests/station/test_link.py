"""From a configuration to the right link, and whether its packets need a checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.link import ModemLink
from firmware_bridge.ptt.keyed_link import KeyedLink
from firmware_bridge.ptt.keying import Keying
from gateway.clock import ManualClock, SystemClock
from gateway.config import SecuritySection, StationConfig
from gateway.errors import ConfigError, GatewayError, LinkClosed
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import ParrotLink
from gateway.links.recorded import RecordedLink
from gateway.links.zeromq import ZeromqChannelLink, ZeromqPeersLink
from gateway.metrics import Metrics
from gateway.protocol.adaptation import NO_GUARD
from gateway.protocol.live import NO_PROTECTION
from gateway.station.link import build_link, check_live, protection_of, wants_crc, with_profiles_key

PEERS = {"kind": "zeromq-peers", "bind": "tcp://127.0.0.1:5999"}

CHANNEL = {"kind": "zeromq-channel", "endpoint": "tcp://127.0.0.1:5998"}

MEMORY = {"kind": "memory", "mode": "parrot"}


def config(link: dict[str, Any], **sections: Any) -> StationConfig:
    return StationConfig.model_validate({"station": {"name": "x", "id": 3}, "link": link, **sections})


MODEM = {"kind": "modem", "profile": "transparent-1200", "port": "/dev/no-such-port"}


@pytest.mark.parametrize(
    ("section", "kind"), [(PEERS, ZeromqPeersLink), (CHANNEL, ZeromqChannelLink), (MEMORY, ParrotLink)]
)
def test_the_configured_link_is_built_unopened(section: dict[str, Any], kind: type) -> None:
    link = build_link(config(section), ManualClock(), Metrics())
    assert type(link) is kind
    with pytest.raises(LinkClosed):
        link.send(b"x")


def test_a_modem_link_has_the_figures_of_its_profile_with_the_settings_of_the_station() -> None:
    link = build_link(config(MODEM), ManualClock(), Metrics())
    assert (link.info.name, link.info.rate_bps, link.info.has_integrity) == ("modem:transparent-1200", 1200, True)
    bare = config({**MODEM, "settings": {"check": "none"}})
    link = build_link(bare, ManualClock(), Metrics())
    assert link.info.has_integrity is False
    assert wants_crc(bare, link, NO_GUARD)
    with pytest.raises(ConfigError, match=r"transparent-1200: settings.*nmuber"):
        build_link(config({**MODEM, "settings": {"nmuber": 1}}), ManualClock(), Metrics())
    with pytest.raises(ConfigError, match=r"no modem profile 'no-such-modem'; there are: .*transparent-1200"):
        build_link(config({**MODEM, "profile": "no-such-modem"}), ManualClock(), Metrics())


def test_a_modem_that_is_not_there_is_told_and_no_error() -> None:
    said: list[str] = []
    with build_link(config(MODEM), SystemClock(), Metrics(), said.append) as link:
        assert link.receive(0.05) is None
        assert link.outage() is not None
    assert any("not there" in line for line in said)


def test_a_trace_that_ends_is_a_warning_and_the_link_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    warned: list[str] = []
    section = {"record": tmp_path, "max_bytes": 100_000}
    with build_link(config(MEMORY, trace=section), SystemClock(), Metrics(), said.append, warn=warned.append) as link:
        assert isinstance(link, RecordedLink)
        assert link.recording.problem is None
        for _ in range(3000):  # the limit is reached after some 1100
            link.send(bytes(22))
    assert [line.split(":")[0] for line in said] == ["recording a trace"]
    assert len(warned) == 1
    assert "no more is recorded: it has reached its limit of 100000 bytes" in warned[0]
    assert link.recording.path.parent == tmp_path
    assert link.recording.problem == "it has reached its limit of 100000 bytes"


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
    assert wants_crc(made, build_link(made, ManualClock(), Metrics()), NO_GUARD) is wanted


def test_automatic_checksum_where_the_channel_damages_bits() -> None:
    made = config(MEMORY, channel={"preset": "bit-errors-1pct"})
    assert wants_crc(made, build_link(made, ManualClock(), Metrics()), NO_GUARD)


def test_a_link_too_slow_for_live_voice_is_refused_with_a_reason() -> None:
    made = config(MEMORY, channel={"preset": "acoustic-1km"}, packets={"frames_per_packet": 3})
    link = build_link(made, ManualClock(), Metrics())
    with pytest.raises(
        ConfigError, match=r"^s\.toml: packets\.frames_per_packet: link .* is too slow.* 5 to 19 would fit$"
    ):
        check_live(Path("s.toml"), made, link, NO_PROTECTION)
    made = config(MEMORY, channel={"preset": "janus-like"})
    with pytest.raises(ConfigError, match="recorded message"):
        check_live(Path("s.toml"), made, build_link(made, ManualClock(), Metrics()), NO_PROTECTION)
    made = config(MEMORY, channel={"preset": "janus-like"}, messages={"spool": Path("spool")})
    check_live(Path("s.toml"), made, build_link(made, ManualClock(), Metrics()), NO_PROTECTION)  # is buffered
    made = config(MEMORY, channel={"preset": "acoustic-1km"})
    check_live(Path("s.toml"), made, build_link(made, ManualClock(), Metrics()), NO_PROTECTION)


def test_a_tag_makes_a_checksum_needless() -> None:
    secure = {"mode": "authenticate", "key_file": Path("net.key")}
    for crc, wanted in (("auto", False), ("on", True)):
        made = config(CHANNEL, packets={"crc": crc}, security=secure)
        assert wants_crc(made, build_link(made, ManualClock(), Metrics()), NO_GUARD) is wanted
    plain = config(CHANNEL)
    assert wants_crc(plain, build_link(plain, ManualClock(), Metrics()), NO_GUARD)


def test_bit_protection_has_checks_of_its_own_and_cannot_be_with_security() -> None:
    bits = config(CHANNEL, protection={"kind": "preset", "name": "robust-transparent"})
    guard = protection_of(Path("s.toml"), bits)
    assert guard.is_bit
    assert not wants_crc(bits, build_link(bits, ManualClock(), Metrics()), guard)
    secure = {"mode": "authenticate", "key_file": Path("net.key")}
    with pytest.raises(ConfigError, match=r"^s\.toml: protection\.name: .* cannot be with \[security\]: .* bears none"):
        protection_of(Path("s.toml"), bits.model_copy(update={"security": SecuritySection.model_validate(secure)}))
    with pytest.raises(ValueError, match=r"cannot be with \[security\]"):
        config(CHANNEL, protection={"kind": "bit"}, security=secure)


def test_a_keyed_station_has_its_key_outside_of_the_channel() -> None:
    made = config(
        MEMORY, channel={"preset": "geo"}, keying={"device": {"kind": "vox"}, "hold": "packet", "delay_ms": 200}
    )
    assert made.keying is not None
    bare = build_link(made, ManualClock(), Metrics())
    keyed = build_link(made, ManualClock(), Metrics(), keying=Keying(made.keying, Metrics(), lambda line: None))
    assert isinstance(bare, EmulatedLink)
    assert isinstance(keyed, KeyedLink)
    assert keyed.info.turnaround_s == pytest.approx(bare.info.turnaround_s + 0.2)


def test_a_modem_keys_by_its_own_runner() -> None:
    made = config(MODEM, keying={"device": {"kind": "modem-line", "line": "dtr"}, "hold": "packet", "watchdog": "off"})
    assert made.keying is not None
    keying = Keying(made.keying, Metrics(), lambda line: None)
    link = build_link(made, SystemClock(), Metrics(), keying=keying)
    assert isinstance(link, ModemLink)
    assert keying.line_among("/dev/x") == "dtr"


def test_a_key_elsewhere_leaves_the_modems_lines_alone() -> None:
    made = config(MODEM, keying={"device": {"kind": "vox"}})
    assert made.keying is not None
    keying = Keying(made.keying, Metrics(), lambda line: None)
    line = keying.line_among(["/dev/x", "/dev/y"])
    assert not isinstance(line, str)
    assert line(True) is None


def test_a_profile_may_say_how_its_radio_is_keyed() -> None:
    path = Path("station.toml")
    keyed = {**MODEM, "profile": "rs485-rts"}
    found = with_profiles_key(path, config(keyed)).keying
    assert found is not None
    assert (found.device.kind, found.hold) == ("modem-line", "packet")
    own = config(keyed, keying={"device": {"kind": "vox"}})
    assert with_profiles_key(path, own) is own
    for other in (MODEM, MEMORY):
        assert with_profiles_key(path, config(other)).keying is None


def test_a_profiles_key_must_go_with_the_station(tmp_path: Path) -> None:
    profile = tmp_path / "radio.toml"
    keying = '[keying]\ntime_out_s = 20\n[keying.device]\nkind = "vox"\n'
    profile.write_text(f'name = "radio"\ndriver = "transparent"\n[air]\nmtu_bytes = 64\nrate_bps = 1200\n{keying}')
    with pytest.raises(ConfigError, match=r"station.toml: \[keying\] of modem profile .*radio.toml: .*time_out_s 20"):
        with_profiles_key(Path("station.toml"), config({**MODEM, "profile": str(profile)}))
