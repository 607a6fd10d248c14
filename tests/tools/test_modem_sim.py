"""What `clarilink modem-sim` prints for station files: with a name it is one that starts."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from firmware_bridge.link import ModemLink
from firmware_bridge.profile import load_profile, profile_names
from gateway.channel.impairments import ChannelSpec
from gateway.config import StationConfig, load_toml
from gateway.protocol.live import CHECKSUM, NO_PROTECTION
from gateway.station.link import check_live
from gateway.tools.modem_sim import SimOptions, introduction

STATION = '[station]\nname = "alpha"\nid = 1\ngroup = 1\n'


def printed(name: str) -> str:
    """The lines for a station file."""
    options = SimOptions(name, 2, ChannelSpec("clean"), 0)
    said = introduction(load_profile(name), options, ["/tmp/port-a", "/tmp/port-b"])
    return dedent(said[said.index("  [link]") : said.index("Or measure:")])


@pytest.mark.parametrize("name", profile_names())
def test_a_station_with_the_lines_that_are_printed_starts(name: str, tmp_path: Path) -> None:
    path = tmp_path / "alpha.toml"
    path.write_text(STATION + printed(name))
    config = load_toml(path, StationConfig)
    profile = load_profile(name)
    always = NO_PROTECTION if profile.air.has_integrity else CHECKSUM
    check_live(path, config, ModemLink(profile, "/tmp/port-a"), always)


def test_what_is_needed_besides_is_said_where_it_is_needed() -> None:
    assert "[packets]" not in printed("transparent-9600")
    assert "frames_per_packet = 15 " in printed("benthos-psk-2560")
    assert "[jitter]" not in printed("benthos-psk-2560")
    assert "frames_per_packet = 22 " in printed("benthos-mfsk-800")
    assert "cap_ms = 2400" in printed("benthos-mfsk-800")
    assert "[messages]" in printed("iridium-sbd")
    assert "[packets]" not in printed("iridium-sbd")
