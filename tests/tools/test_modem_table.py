"""The table of live voice over virtual modems: figures that can be told beforehand, and modems that cannot be tried."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_bridge import registry
from gateway.codec import Codec
from gateway.protocol.airtime import over_airtime
from gateway.tools.modem_table import HEAD, LEGEND, as_json, modem_rows, table
from tests.bridge.toy_modem import MODEM, toy_profile


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """Writes profiles of the toy modem and returns their paths."""
    monkeypatch.setitem(registry._OURS, "toy", f"{MODEM.driver.__module__}:MODEM")

    def write(name: str = "toy", **air: object) -> str:
        figures = toy_profile(**air).air.model_dump(exclude_none=True, exclude={"airtimes_ms"})
        lines = [f"{key} = {str(value).lower()}" for key, value in figures.items()]
        path = tmp_path_factory.mktemp("profiles") / f"{name}.toml"
        path.write_text(f'name = "{name}"\ndriver = "toy"\n[air]\n' + "\n".join(lines) + "\n")
        return str(path)

    return write


def test_delay_and_duty_are_those_of_the_profile(small_codec: Codec, speechlike, toy) -> None:
    (row,) = modem_rows(small_codec, speechlike, [toy()])
    assert row.is_live
    assert row.delivered == 1.0
    assert row.packet_ms == 480
    # 30 bytes or so: 0.12 s for key-up, fixed time and bits, 0.1 s of travel, two cables of 30 ms
    assert 0.255 + 0.4 + 0.25 < row.delay_s < 0.255 + 0.4 + 0.5
    assert row.duty == pytest.approx((0.07 + 27 * 8 / 2400) / 0.48, rel=0.15)
    assert row.on_air_bps == pytest.approx(over_airtime(39, 6, crc=True).rate_bps, rel=0.03)


def test_a_modem_that_is_too_slow_is_buffered_only_and_one_for_longer_packets_gets_them(
    small_codec: Codec, speechlike, toy
) -> None:
    slow, longer = modem_rows(
        small_codec, speechlike, [toy("slow", fixed_ms=8000.0), toy("longer", fixed_ms=500.0, mtu_bytes=128)]
    )
    assert not slow.is_live
    assert slow.verdict == "buffered messages only"
    assert "too slow for live voice" in slow.why
    assert slow.delay_s is None
    assert longer.is_live
    assert longer.packet_ms > 480


def test_the_longest_packets_arrive_whole(small_codec: Codec, speechlike, toy) -> None:
    """More voice at once than the receiver usually keeps: it keeps that much then."""
    speech = np.tile(speechlike, 4)
    (row,) = modem_rows(small_codec, speech, [toy(fixed_ms=600.0, mtu_bytes=200)], frames_per_packet=24)
    assert row.packet_ms == 1920
    assert row.delivered == 1.0
    assert row.delay_s == row.delay_max_s


def test_loss_shows_and_is_the_same_for_a_seed(small_codec: Codec, speechlike, toy) -> None:
    from gateway.channel.impairments import ChannelSpec

    runs = [modem_rows(small_codec, speechlike, [toy()], spec=ChannelSpec("x", loss=0.4), seed=2)[0] for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].delivered < 1


def test_what_cannot_be_tried_says_why_and_stops_nothing(
    small_codec: Codec, speechlike, toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._OURS, "gone", "firmware_bridge.drivers.no_such_driver:MODEM")
    path = toy()
    missing = path.replace("toy.toml", "gone.toml")
    Path(missing).write_text('name = "gone"\ndriver = "gone"\n[air]\nmtu_bytes = 64\n')
    told = []
    rows = modem_rows(small_codec, speechlike, [missing, "no-such-profile", path], done=told.append)
    assert [row.is_live for row in rows] == [False, False, True]
    assert "no_such_driver" in rows[0].why
    assert "no modem profile 'no-such-profile'" in rows[1].why
    assert told == rows
    text = table(rows)
    assert text.startswith(HEAD)
    assert text.endswith(LEGEND)
    assert len(text.splitlines()) == 5
    assert as_json(rows)[2]["packet_ms"] == 480


def test_a_modem_that_never_answers_is_told(small_codec: Codec, speechlike, toy, monkeypatch) -> None:
    from tests.bridge.toy_modem import ToyModem

    monkeypatch.setattr(ToyModem, "from_host", lambda self, data, now: None)
    (row,) = modem_rows(small_codec, speechlike, [toy()])
    assert "not ready after 180 s: a: no answer; b: no answer" in row.verdict
