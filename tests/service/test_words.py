"""Snapshots in words."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.snapshot import (
    AirtimeView,
    AudioView,
    DelayView,
    DeviceView,
    HeardView,
    KeyingView,
    LinkView,
    MessageView,
    NewsView,
    OverView,
    PttView,
    Quality,
    ReceptionView,
    RecordView,
    SecurityView,
    Snapshot,
    plain,
)
from gateway.service import words
from tests.service.snapshots import ALPHA, TALKED_TO

FULL = replace(
    TALKED_TO,
    ptt=PttView("receiving", 3.0, refusal="busy"),
    audio=AudioView(
        DeviceView("USB", "missing", "unplugged", 3), DeviceView("USB"), -30.0, -10.0, True, -20.0, -6.0, True
    ),
    link=LinkView("serial", "modem", False, "no answer", 1200.0, 80, True, "240 ms packets", "buffered", "too slow"),
    delay=DelayView(255, 480, 22, 0, 100, 0, 60, 60, 977),
    reception=ReceptionView(Quality.FAIR, 100, 0.08, words="fair: 8 % lost"),
    airtime=AirtimeView(61, 61, 0.017, 7200, 100, 342.0),
    security=SecurityView("authenticate", 3, (3,), (("bad_tag", 2),), "key 3"),
    keying=KeyingView("serial", False, "no such port"),
    record=RecordView("/var/rec", "disk full"),
    trace=RecordView("/var/trace", "limit reached"),
    last_heard=(HeardView(2, "bravo", 1.8e9 - 200),),
    messages=(MessageView("text", "in", "bravo", 1.8e9, "hello", state="received"),),
)


@pytest.mark.parametrize(
    ("snap", "line"),
    [
        (ALPHA, "idle; link up"),
        (TALKED_TO, "bravo talks, 3 s; link up"),
        (replace(ALPHA, ptt=PttView("talking", 9.0, ("web:1",), 171.0)), "talking, 9 s by web:1, 171 s left; link up"),
        (replace(ALPHA, ptt=PttView("talking", 9.0, is_parrot=True)), "parrot, 9 s; link up"),
        (replace(ALPHA, ptt=PttView(waits_for_floor=True)), "idle; waits for a free channel; link up"),
        (replace(ALPHA, ptt=PttView(is_recording=True)), "idle; records a message; link up"),
        (replace(ALPHA, ptt=PttView("some_new_mode")), "some new mode; link up"),
        (replace(ALPHA, ptt=PttView("locked_out")), "locked out: let go of the key; link up"),
        (
            FULL,
            "bravo talks, 3 s; link down: no answer; microphone missing; keying: no such port; recording: disk full; "
            "trace: limit reached",
        ),
    ],
)
def test_one_line(snap: Snapshot, line: str) -> None:
    assert words.state_line(snap.as_dict()) == line


def test_the_page_says_all_of_it() -> None:
    rows = dict(row.split(maxsplit=1) for row in words.page(FULL.as_dict(), 1.8e9) if not row.startswith(("l", "as")))
    page = "\n".join(words.page(FULL.as_dict(), 1.8e9))
    assert rows["station"] == "alpha (1), group 4, up 1 min, clarilink 1.0"
    for told in (
        "serial, down: no answer, 1200 bit/s, half duplex",
        "240 ms packets",
        "buffered: too slow",
        "1.0 s from mouth to ear (codec 255, packet 480, suppression 22, air 100, cushion 60, sound 60 ms)",
        "fair: 8 % lost",
        "USB: missing (unplugged), TOO LOUD, 3 xruns",
        "-20 dB, muted",
        "own 1 min, 1.7 % of the last hour; others 2 h 0 min; last over 342 bit/s",
        "key 3; refused: 2 bad tag",
        "serial: no such port",
        "/var/rec: disk full",
        "bravo 3 min ago",
        "1 received",
        "last press         busy",
    ):
        assert told in page


@given(st.sets(st.sampled_from([field.name for field in fields(Snapshot)])))
def test_an_older_or_newer_station_can_be_read(missing: set[str]) -> None:
    snap = {key: value for key, value in FULL.as_dict().items() if key not in missing}
    snap["news_of_the_future"] = 1
    assert words.state_line(snap)
    assert len(words.page(snap, 1.8e9)) >= 3


def test_lists_in_lines() -> None:
    over = plain(OverView("heard", "bravo", 2, 1.8e9, 4.25, 0.08, 12.0, 3))
    assert words.over(over)[8:] == "  heard  bravo              4.2 s    8 % lost  12 dB SNR  replay 3"
    sent = plain(MessageView("voice", "out", "bravo", 1.8e9, id="1f", state="sending", share=0.25, duration_s=6.0))
    assert words.message(sent)[8:] == "  1f        voice to bravo: sending, 25 % there, 6.0 s"
    text = plain(MessageView("text", "in", "bravo", 1.8e9, "Hi.", state="received"))
    assert words.message(text)[8:] == "  -         text  from bravo: received: Hi."
    assert words.news(plain(NewsView(1, 1.8e9, "hello")))[8:] == "   hello"
    assert words.clock(None) == "--:--:--"


def test_meters_and_times() -> None:
    assert words.meter(-100.0) == "." * 20
    assert words.meter(-30.0) == "#" * 10 + "." * 10
    assert words.meter(3.0) == "#" * 20
    assert [words.duration(s) for s in (59.9, 60, 3600, 90_000)] == ["59 s", "1 min", "1 h 0 min", "1 d 1 h"]
