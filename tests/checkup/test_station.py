"""A station's file, checked against made-up surroundings."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.checkup.findings import Findings, Level
from gateway.checkup.station import check_station
from gateway.checkup.surroundings import Surroundings
from gateway.errors import CheckpointError
from gateway.keys import make_keys

HEAD = '[station]\nname = "alpha"\nid = 1\n[audio]\ninput = "null"\noutput = "null"\n'
MEMORY = '[link]\nkind = "memory"\n'
PEERS = '[link]\nkind = "zeromq-peers"\nbind = "tcp://127.0.0.1:1"\n'


def weights(path: Path) -> None:
    if path.name == "broken.safetensors":
        raise CheckpointError(f"{path}: not a readable safetensors file")


def told(tmp_path: Path, text: str, *, quick: bool = True, installed: bool = True) -> list[tuple[str, str]]:
    """Level and key of every finding that is not `ok`."""
    path = tmp_path / "x.toml"
    path.write_text(text)
    findings = Findings(path)
    around = Surroundings(
        quick=quick, installed=lambda _: installed, free=lambda _: 10**10, load_weights=weights, serial_ports=list
    )
    check_station(tomllib.loads(text), findings, around)
    return [(one.level.value, one.key) for one in findings.all if one.level is not Level.OK]


def test_one_that_is_well(tmp_path: Path) -> None:
    assert told(tmp_path, HEAD + MEMORY, quick=False) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "x.toml"]


def test_names(tmp_path: Path) -> None:
    assert told(tmp_path, HEAD + MEMORY + '[net.names]\n2 = "b"\n') == [("warning", "station.id")]
    assert told(tmp_path, HEAD + MEMORY + '[net.names]\n1 = "b"\n') == [("warning", "station.name")]
    spool = '[messages]\nspool = "s"\nto = {}\n[net.names]\n1 = "alpha"\n'
    assert told(tmp_path, HEAD + MEMORY + spool.format(1)) == [("problem", "messages.to")]
    assert told(tmp_path, HEAD + MEMORY + spool.format(3)) == [("warning", "messages.to")]


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (PEERS, [("warning", "link.connect")]),
        ('[link]\nkind = "zeromq-channel"\nendpoint = "tcp://127.0.0.1:1"\n', [("warning", "link.endpoint")]),
        (
            '[link]\nkind = "bridge"\nprofile = "transparent-1200"\nendpoint = "tcp://127.0.0.1:1"\n',
            [("warning", "link.endpoint")],
        ),
        ('[link]\nkind = "modem"\nprofile = "transparent-1200"\nport = "/dev/none"\n', [("warning", "link.port")]),
    ],
)
def test_the_other_end_is_not_there(tmp_path: Path, link: str, expected: list[tuple[str, str]]) -> None:
    assert told(tmp_path, HEAD + link.replace("127.0.0.1:1", "127.0.0.1:9"), quick=False) == expected


def test_a_profile_that_does_not_exist_is_told_once(tmp_path: Path) -> None:
    link = '[link]\nkind = "modem"\nprofile = "transparent-1201"\nport = "/dev/none"\n'
    assert told(tmp_path, HEAD + link) == [("problem", "link.profile")]


def test_settings_that_the_driver_does_not_know(tmp_path: Path) -> None:
    link = '[link]\nkind = "modem"\nprofile = "kiss-1200"\nport = "/dev/none"\n[link.settings]\nspeeed = 3\n'
    assert told(tmp_path, HEAD + link) == [("problem", "link.profile")]


def test_live_voice_that_does_not_fit(tmp_path: Path) -> None:
    slow = MEMORY + '[channel]\npreset = "janus-like"\n'
    assert told(tmp_path, HEAD + slow) == [("problem", "packets.frames_per_packet")]
    assert told(tmp_path, HEAD + slow + '[messages]\nspool = "s"\n') == [("warning", "packets.frames_per_packet")]


def test_a_trace_is_not_begun_by_looking(tmp_path: Path) -> None:
    assert told(tmp_path, HEAD + MEMORY + '[trace]\nrecord = "traces"\n') == []
    assert not (tmp_path / "traces").exists()


def test_checks_of_bits(tmp_path: Path) -> None:
    noisy = '[link]\nkind = "modem"\nprofile = "transparent-1200-soft"\nport = "/dev/none"\n'
    assert told(tmp_path, HEAD + noisy) == []
    assert told(tmp_path, HEAD + noisy + '[packets]\ncrc = "off"\n') == [("warning", "packets.crc")]
    bit = '[protection]\nkind = "bit"\n'
    assert told(tmp_path, HEAD + noisy + bit) == []
    assert told(tmp_path, HEAD + MEMORY + bit) == [("warning", "protection.kind")]
    assert told(tmp_path, HEAD + MEMORY + '[protection]\nkind = "preset"\nname = "none-such"\n')[0] == (
        "problem",
        "protection",
    )


def test_security(tmp_path: Path) -> None:
    make_keys(tmp_path / "net.key")
    secure = '[security]\nmode = "authenticate"\nkey_file = "net.key"\n'
    assert told(tmp_path, HEAD + MEMORY + secure) == []
    assert told(tmp_path, HEAD + MEMORY + secure.replace("net", "no")) == [("problem", "security.key_file")]
    longest = "[ptt]\ntime_out_s = 3600\n[packets]\nframes_per_packet = 1\n"
    assert ("problem", "ptt.time_out_s") in told(tmp_path, HEAD + MEMORY + secure + longest)


def test_weights(tmp_path: Path) -> None:
    broken = '[codec]\nweights = "broken.safetensors"\n'
    assert told(tmp_path, HEAD + MEMORY + broken) == [("problem", "codec.weights")]
    assert told(tmp_path, HEAD + MEMORY + broken, quick=False) == [("problem", "codec.weights")]


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sections = "".join(
        [
            '[messages]\nspool = "file/spool"\n',
            '[record]\nfolder = "file"\n',
            '[trace]\nrecord = "file/x.trace"\n',
            '[log]\nfile = "file/log"\n',
            '[state]\nfile = "file/state"\n',
        ]
    )
    assert told(tmp_path, HEAD + MEMORY + sections, quick=False) == [
        ("problem", "messages.spool"),
        ("problem", "record.folder"),
        ("problem", "trace.record"),
        ("problem", "log.file"),
        ("problem", "state.file"),
    ]


def test_consoles(tmp_path: Path) -> None:
    sections = '[console]\nkind = "full"\n[web]\ntoken_file = "token"\n[metrics]\n[control]\nsocket = "s"\n'
    assert told(tmp_path, HEAD + MEMORY + sections, installed=False) == [
        ("problem", "console.kind"),
        ("problem", "web"),
        ("problem", "web.token_file"),
        ("problem", "metrics"),
    ]
    assert told(tmp_path, HEAD + MEMORY + sections) == [("problem", "web.token_file")]


def test_mistakes_keep_nothing_from_being_looked_at(tmp_path: Path) -> None:
    wrong = '[jittr]\n[security]\nmode = "authenticate"\n[link]\nkind = "memry"\n'
    assert told(tmp_path, HEAD + wrong + '[web]\ntoken_file = "token"\n') == [
        ("problem", "link.kind"),
        ("problem", "security"),
        ("problem", "jittr"),
        ("problem", "web.token_file"),
    ]
