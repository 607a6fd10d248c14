"""What a station's file says of its link: the shipped ones fit each other, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ModemLink, StationConfig, ZeromqChannelLink, ZeromqPeersLink, load_toml
from tests.station_file import CONFIGS, SHORT, parse, refusal


def test_the_two_peers_point_at_each_other() -> None:
    a, b = (load_toml(CONFIGS / f"station-{letter}.toml", StationConfig) for letter in "ab")
    assert isinstance(a.link, ZeromqPeersLink)
    assert isinstance(b.link, ZeromqPeersLink)
    assert a.link.connect == (b.link.bind,)
    assert b.link.connect == (a.link.bind,)
    assert a.station.id != b.station.id


def test_channel_stations_meet_at_one_endpoint() -> None:
    a, b = (load_toml(CONFIGS / f"station-{letter}-channel.toml", StationConfig) for letter in "ab")
    assert isinstance(a.link, ZeromqChannelLink)
    assert a.link == b.link
    assert a.link.endpoint == "tcp://127.0.0.1:5600"


def test_modem_stations_have_one_profile_and_two_ports() -> None:
    a, b = (load_toml(CONFIGS / f"station-modem-{letter}.toml", StationConfig) for letter in "ab")
    assert isinstance(a.link, ModemLink)
    assert isinstance(b.link, ModemLink)
    assert a.link.profile == b.link.profile == "transparent-9600"
    assert a.link.port != b.link.port
    assert a.station.id != b.station.id


MODEM = '[station]\nname = "x"\nid = 7\n[link]\nkind = "modem"\n'


def test_a_modem_link_has_paths_that_count_from_the_file_and_words_that_do_not() -> None:
    text = MODEM + 'profile = "my/modem.toml"\nport = ["ttyA", "/dev/ttyB", "tcp://host:9"]\nraw_log = "raw.log"\n'
    link = parse(text + '[link.settings]\nnumber = "88160000"\n', Path("/etc/radio/s.toml")).link
    assert isinstance(link, ModemLink)
    assert link.profile == "/etc/radio/my/modem.toml"
    assert link.port == ("/etc/radio/ttyA", "/dev/ttyB", "tcp://host:9")
    assert link.raw_log == Path("/etc/radio/raw.log")
    assert link.settings == {"number": "88160000"}
    link = parse(MODEM + 'profile = "kiss-1200"\nport = "rfc2217://[::1]:2217"\n').link
    assert isinstance(link, ModemLink)
    assert (link.profile, link.port) == ("kiss-1200", "rfc2217://[::1]:2217")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('profile = "x"', "link.port: missing"),
        ('port = "/dev/x"', "link.profile: missing"),
        ('profile = "x"\nport = "http://x"', "link.port: got 'http://x'; needs a device"),
        ('profile = "x"\nport = ["/dev/x", "tcp://x"]', "link.port.1: got 'tcp://x'; needs a device"),
        ('profile = "x"\nport = "tcp://host:70000"', "link.port: got 'tcp://host:70000'; needs a device"),
        ('profile = "x"\nport = ""', "link.port: got ''; needs a device"),
        ('profile = "x"\nport = []', "link.port: "),
        ('profile = "x"\nport = 5', "link.port: got 5"),
        ('profile = "x"\nport = "/dev/x"\nbaud = 9600', "link.baud: unknown key"),
    ],
)
def test_a_wrong_modem_link_is_named(lines: str, message: str) -> None:
    assert message in refusal(MODEM + lines + "\n")


@pytest.mark.parametrize("port", ['"http://x"', "5", '["/dev/x", 5]'])
def test_a_wrong_port_is_one_problem_though_it_may_be_a_list(port: str) -> None:
    assert "problems" not in refusal(f'{MODEM}profile = "x"\nport = {port}\n')


@pytest.mark.parametrize("bad", ["localhost:5501", "tcp://127.0.0.1", "tcp://127.0.0.1:70000", "tcp://:5", ""])
def test_endpoints_are_checked(bad: str) -> None:
    text = SHORT.replace('kind = "memory"', f'kind = "zeromq-peers"\nbind = "tcp://127.0.0.1:1"\nconnect = ["{bad}"]')
    assert "link.connect.0: got " in refusal(text)


KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:5501", "tcp://*:5501", "tcp://192.168.1.4:5501", "tcp://eth0:5501"])
def test_an_address_that_others_reach_needs_curve_or_a_word(address: str) -> None:
    link = SHORT.replace('kind = "memory"', f'kind = "zeromq-peers"\nbind = "{address}"')
    told = refusal(link)
    assert f"link: bind {address} can be reached from other machines" in told
    assert "insecure = true" in told
    assert "[curve]" in told
    parse(link + "insecure = true\n")
    parse(link + '[link.curve]\nsecret_key = "a.curve"\n')


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:5501", "tcp://127.1.2.3:5501", "tcp://localhost:5501", "tcp://[::1]:5501", "ipc:///r"]
)
def test_an_address_of_this_machine_needs_nothing(address: str) -> None:
    parse(SHORT.replace('kind = "memory"', f'kind = "zeromq-peers"\nbind = "{address}"'))


def test_curve_keys_are_checked_and_one_for_each_peer() -> None:
    link = SHORT.replace(
        'kind = "memory"', 'kind = "zeromq-peers"\nbind = "tcp://*:1"\nconnect = ["tcp://h:2", "tcp://h:3"]'
    )
    curve = '[link.curve]\nsecret_key = "a.curve"\npeer_keys = '
    parse(link + curve + f'["{KEY}", "{KEY}"]\n')
    assert "curve.peer_keys has 1 keys; needed: one for each of the 2" in refusal(link + curve + f'["{KEY}"]\n')
    assert "link.curve.peer_keys.0: got 'short'" in refusal(link + curve + '["short", "short"]\n')
    channel = 'kind = "zeromq-channel"\nendpoint = "tcp://h:1"\n[link.curve]\nsecret_key = "a.curve"\n'
    assert "link.curve.server_key: missing" in refusal(SHORT.replace('kind = "memory"', channel))
    parse(SHORT.replace('kind = "memory"', channel + f'server_key = "{KEY}"\n'))
