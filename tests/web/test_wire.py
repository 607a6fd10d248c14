"""Snapshots on their way to a browser, and configurations without their secrets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.snapshot import AudioView, PttView, ReceptionView
from gateway.web.wire import HIDDEN, Parts, browser_value, json_text, shown_config
from tests.web.desk import rich_snapshot


def sent(parts: Parts, version: int = 0) -> Any:
    text = parts.since(version)
    return None if text is None else json.loads(text)


def test_first_comes_everything_but_the_number() -> None:
    parts, snapshot = Parts(), rich_snapshot()
    assert sent(parts) is None
    assert parts.take(snapshot)
    found = sent(parts)
    assert set(found) == set(snapshot.as_dict()) - {"number"}
    assert found["messages"][2]["id"] == "0badcafe"
    assert found["reception"]["quality"] == "fair"
    assert found["link"]["rate_bps"] == 640


def test_then_only_what_changed() -> None:
    parts, snapshot = Parts(), rich_snapshot()
    parts.take(snapshot)
    first = parts.version
    assert not parts.take(replace(snapshot, number=2))
    assert sent(parts, first) is None
    assert parts.take(replace(snapshot, number=3, ptt=PttView(mode="talking"), talker=None))
    second = parts.version
    assert set(sent(parts, first)) == {"ptt"}
    assert parts.take(replace(snapshot, ptt=PttView(mode="talking"), names=()))
    assert sent(parts, second) == {"names": []}
    assert set(sent(parts, first)) == {"ptt", "names"}, "who reads slowly gets it all at once"


def test_what_no_screen_shows_is_not_sent() -> None:
    parts, snapshot = Parts(), rich_snapshot()
    parts.take(snapshot)
    quiet = replace(
        snapshot,
        station=replace(snapshot.station, up_s=snapshot.station.up_s + 0.1),
        wall_s=snapshot.wall_s + 0.1,
        ptt=replace(snapshot.ptt, mode_s=snapshot.ptt.mode_s + 0.1),
        audio=replace(snapshot.audio, level_db=snapshot.audio.level_db + 0.2),
    )
    assert not parts.take(quiet)
    assert parts.take(replace(quiet, audio=replace(quiet.audio, level_db=-20.0)))


def test_a_number_that_is_none_becomes_null() -> None:
    view = AudioView(level_db=float("-inf"), peak_db=float("nan"))
    assert json.loads(json_text(view))["level_db"] is None
    assert json.loads(json_text([ReceptionView(snr_db=float("inf"))]))[0]["snr_db"] is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_plain_value_is_json_that_browsers_read(value: object) -> None:
    text = json_text(value)
    assert "NaN" not in text or "NaN" in repr(value)
    assert json.loads(text) == browser_value(value)


@pytest.mark.parametrize(
    "name", ["secret", "token", "password", "passphrase", "pin", "sim_pin", "psk", "key", "auth", "PASSWORD", "puk"]
)
def test_secrets_of_a_configuration_are_not_shown(name: str) -> None:
    shown = shown_config({"link": {"settings": {name: "hunter2", "list": [{name: "hunter2"}]}}, "other": {name: 1234}})
    assert "hunter2" not in json.dumps(shown)
    assert "1234" not in json.dumps(shown)
    assert shown["link"]["settings"][name] == HIDDEN


def test_paths_figures_and_switches_are_shown() -> None:
    config = {
        "security": {"key_file": Path("/etc/net.key"), "tag_bytes": 4, "key_id": 3},
        "web": {"token_file": Path("/etc/web.token"), "private_key": Path("/etc/web.pem"), "insecure": False},
        "link": {"port": "tcp://admin:hunter2@192.0.2.1:4001", "baud": 9600, "gain": float("nan")},
        "net": {"names": {1: "alpha"}},
        "pins": None,
    }
    shown = shown_config(config)
    assert shown["security"] == {"key_file": "/etc/net.key", "tag_bytes": 4, "key_id": 3}
    assert shown["web"] == {"token_file": "/etc/web.token", "private_key": "/etc/web.pem", "insecure": False}
    assert shown["link"] == {"port": f"tcp://{HIDDEN}@192.0.2.1:4001", "baud": 9600, "gain": None}
    assert shown["net"] == {"names": {"1": "alpha"}}
