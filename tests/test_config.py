"""Configuration files: the shipped ones load, and every mistake is named with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from gateway.config import (
    ConfigPath,
    MemoryLink,
    StationConfig,
    StrictModel,
    ZeromqPeersLink,
    load_toml,
    parse_toml,
)
from gateway.errors import ConfigError
from tests.station_file import CONFIGS, SHORT, parse, refusal


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("station-*.toml")), ids=lambda path: path.name)
def test_every_shipped_file_loads(path: Path) -> None:
    config = load_toml(path, StationConfig)
    assert config.net.names.get(config.station.id, config.station.name) == config.station.name


def test_a_short_file_gets_defaults() -> None:
    config = parse(SHORT)
    assert config.link == MemoryLink(kind="memory", mode="parrot")
    assert (config.audio.input, config.packets.packet_ms, config.ptt.time_out_s) == ("default", 480, 180.0)
    assert config.channel is None
    assert config.net.name_of(12) == "station 12"


def test_values_are_frozen() -> None:
    config = parse(SHORT)
    with pytest.raises(ValueError, match="frozen"):
        config.station.id = 3


def test_directory_keys_become_numbers() -> None:
    assert parse(SHORT + '[net.names]\n7 = "x"\n65535 = "far"\n').net.name_of(65535) == "far"
    message = refusal(SHORT + '[net.names]\n70000 = "x"\n')
    assert "net.names.70000" in message
    assert "65535" in message


def test_unknown_key_suggests_the_near_one() -> None:
    message = refusal(SHORT + "[jitter]\ncushon_ms = 5\n")
    assert message == "x.toml: jitter.cushon_ms: unknown key; did you mean cushion_ms?"


def test_unknown_key_far_from_any_lists_the_known() -> None:
    assert "known here: level, format" in refusal(SHORT + "[log]\nzzz = 1\n")


def test_unknown_section_and_unknown_key_in_a_union_arm() -> None:
    assert "jiter: unknown key; did you mean jitter?" in refusal(SHORT + "[jiter]\ncap_ms = 900\n")
    text = '[station]\nname = "x"\nid = 7\n[link]\nkind = "zeromq-peers"\nbind = "tcp://127.0.0.1:5501"\nconect = []\n'
    assert "x.toml: link.conect: unknown key; did you mean connect?" in refusal(text)


def test_all_problems_at_once() -> None:
    message = refusal('[station]\nname = "x"\nid = 70000\n[link]\nkind = "zeromq-peers"\n[log]\nlevel = 5\n')
    assert message.startswith("x.toml: 3 problems\n")
    assert "station.id: got 70000; " in message
    assert "link.bind: missing" in message
    assert "log.level: got 5; " in message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SHORT.replace("7", '"7"'), ["station.id: got '7'", "integer"]),
        (SHORT.replace("7", "7.0"), ["station.id: got 7.0", "integer"]),
        (SHORT.replace("7", "true"), ["station.id: got True", "integer"]),
        (SHORT.replace('"x"', '""'), ["station.name: got ''"]),
        (SHORT.replace('"memory"', '"radio"'), ["link.kind: got 'radio'", "'zeromq-peers'"]),
        (SHORT.replace('kind = "memory"', ""), ["link.kind: missing", "'zeromq-peers', 'zeromq-channel', 'memory'"]),
        ("link = 3\n" + SHORT.partition("[link]")[0], ["link: got 3"]),
        ("", ["station: missing", "link: missing"]),
        (SHORT + "[jitter]\ncushion_ms = 900\ncap_ms = 900\n", ["jitter: cap_ms 900 must be greater"]),
        (SHORT + "[packets]\nframes_per_packet = 24\n", ["jitter.cap_ms 1500 is too small", "1980"]),
        (SHORT + "[ptt]\ntime_out_s = 10\n", ["ptt: warning_s 15 must be less than time_out_s 10"]),
        (SHORT + "[channel]\nseed = 1\n", ["channel: needs exactly one of preset and file"]),
        (SHORT + '[audio]\ninput = "file:"\n', ["audio.input: got 'file:'", "path"]),
        (SHORT + "[adaptation]\nshortest = 9\nlongest = 3\n", ["adaptation: shortest 9 must not be greater"]),
        (SHORT + '[adaptation]\nmode = "auto"\n', ["adaptation.mode: got 'auto'", "'on' or 'off'"]),
        (SHORT + '[jitter]\nadapt = "yes"\n', ["jitter.adapt: got 'yes'"]),
        (SHORT + "[audio]\nblock_ms = nan\n", ["audio.block_ms"]),
        (SHORT + "[ptt]\ntime_out_s = nan\n", ["ptt.time_out_s"]),
        (SHORT + "station = 1", ["link.station: unknown key"]),
        ("[station\n", ["not valid TOML", "line 1"]),
    ],
)
def test_refusals_name_the_key(text: str, parts: list[str]) -> None:
    message = refusal(text)
    assert message.startswith("x.toml: ")
    for part in parts:
        assert part in message


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        SHORT + '[channel]\nfile = "ch/a.toml"\n[audio]\ninput = "file:in.wav"\noutput = "file:/abs/o.wav"\n'
    )
    config = load_toml(file, StationConfig)
    assert config.channel is not None
    assert config.channel.file == tmp_path / "ch" / "a.toml"
    assert config.audio.input == f"file:{tmp_path / 'in.wav'}"
    assert config.audio.output == "file:/abs/o.wav"


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml: cannot read configuration: No such file"):
        load_toml(tmp_path / "no.toml", StationConfig)
    with pytest.raises(ConfigError, match="Is a directory"):
        load_toml(tmp_path, StationConfig)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_toml(tmp_path / "b.toml", StationConfig)


def test_any_model_can_be_loaded() -> None:
    class Inner(StrictModel):
        weight: float

    class Outer(StrictModel):
        items: tuple[Inner, ...] = ()
        table: dict[str, Inner] = Field(default_factory=dict)
        path: ConfigPath | None = None

    text = "[[items]]\nweight = 1\n[table.a]\nweight = 2.5\n"
    assert parse_toml(text, Outer, Path("o.toml")).items == (Inner(weight=1.0),)
    with pytest.raises(ConfigError, match=r"items\.0\.wieght: unknown key; did you mean weight\?"):
        parse_toml("[[items]]\nweight = 1\nwieght = 2\n", Outer, Path("o.toml"))
    with pytest.raises(ConfigError, match=r"table\.a\.wieght: unknown key; did you mean weight\?"):
        parse_toml("[table.a]\nweight = 1\nwieght = 2\n", Outer, Path("o.toml"))


@given(st.text(max_size=60))
def test_any_text_loads_or_is_refused_with_the_file_name(text: str) -> None:
    problem = ""
    try:
        parse(SHORT + text)
    except ConfigError as error:
        problem = str(error)
    assert problem == "" or problem.startswith("x.toml: ")


@given(
    st.dictionaries(
        st.sampled_from(["station", "link", "net", "audio", "kind", "zz"]),
        st.sampled_from(["1", '"a"', "[1, 2]", "{kind = 'memory'}", "{names = {a = 1}}", "1979-05-27", "inf"]),
    )
)
def test_any_shape_is_refused_with_the_file_name(table: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^x\.toml: "):
        parse("".join(f"{key} = {value}\n" for key, value in table.items()))


def test_security_needs_a_key_file_and_a_station_number() -> None:
    assert parse(SHORT).security.mode == "none"
    secure = '[security]\nmode = "authenticate"\nkey_file = "net.key"\n'
    assert parse(SHORT + secure).security.tag_bytes == 4
    assert parse(SHORT + secure + "tag_bytes = 3\n").security.tag_bytes == 3
    assert 'security: mode "authenticate" needs key_file' in refusal(SHORT + '[security]\nmode = "authenticate"\n')
    assert "station.id 0" in refusal(SHORT.replace("id = 7", "id = 0") + secure)
    assert "security.tag_bytes: got 2" in refusal(SHORT + secure + "tag_bytes = 2\n")
    assert "security.mode: got 'encrypt'" in refusal(SHORT + '[security]\nmode = "encrypt"\n')


def test_secure_stations_share_a_key_file_that_need_not_be_there() -> None:
    a, b = (load_toml(CONFIGS / f"station-{letter}-secure.toml", StationConfig) for letter in "ab")
    assert a.security == b.security
    assert a.security.key_file == CONFIGS / "net.key"
    assert isinstance(a.link, ZeromqPeersLink)
    assert isinstance(b.link, ZeromqPeersLink)
    assert a.link.connect == (b.link.bind,)


KEYING = "[keying]\n{}\n[keying.device]\n{}\n"
LINE = 'kind = "serial-line"\nport = "/dev/ttyUSB0"'


def test_keying_is_checked_and_says_what_is_needed() -> None:
    config = parse(SHORT + KEYING.format("", LINE))
    assert config.keying is not None
    assert (config.keying.hold, config.keying.watchdog, config.keying.delay_ms) == ("over", "required", 300)
    assert parse(SHORT).keying is None
    for key, device, told in (
        ("", 'kind = "rts"', "keying.device.kind: got 'rts'; needed: one of 'serial-line', 'modem-line', 'cat'"),
        ("", 'kind = "serial-line"', "keying.device.port: missing"),
        ("", 'kind = "serial-line"\nport = "COM1"', "keying.device.port: got 'COM1'"),
        ("", 'kind = "cat"\nport = "/dev/x"\nradio = "custom"', 'radio "custom" needs key_hex and unkey_hex'),
        ("", 'kind = "cat"\nport = "/dev/x"\nradio = "icom"\nkey_hex = "01"', 'key_hex is for radio "custom" only'),
        ("", 'kind = "cat"\nport = "/dev/x"\nradio = "custom"\nkey_hex = "0g"\nunkey_hex = "00"', "hexadecimal digits"),
        ("", 'kind = "modem-line"', 'watchdog = "off"'),
        ('watchdog = "off"', 'kind = "modem-line"', 'needs link.kind "modem", not "memory"'),
        ("time_out_s = 60", LINE, "keying.time_out_s 60 would unkey in the middle of an over of ptt.time_out_s 180"),
        ('hold = "packet"\ntime_out_s = 1\ndelay_ms = 600', LINE, "time_out_s 1 leaves no time for data"),
        ("tail = 5", LINE, "keying.tail: unknown key; did you mean tail_ms?"),
    ):
        assert told in refusal(SHORT + KEYING.format(key, device)), (key, device)
    parse(SHORT + KEYING.format('hold = "packet"\ntime_out_s = 60', LINE))


def test_a_switch_besides_the_keyboard() -> None:
    config = parse(SHORT + '[ptt.input]\nkind = "evdev"\ndevice = "FootSwitch"\nkey = 48\nmode = "toggle"\n')
    assert config.ptt.source == "keyboard"
    assert config.ptt.input is not None
    assert config.ptt.input.kind == "evdev"
    assert "ptt.input.line: got 'rts'" in refusal(
        SHORT + '[ptt.input]\nkind = "serial-line"\nport = "/dev/ttyS0"\nline = "rts"\n'
    )
    assert "ptt.input.mode: unknown key" in refusal(SHORT + '[ptt.input]\nkind = "vox"\nmode = "toggle"\n')
