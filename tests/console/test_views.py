"""Views: everything that is asked for is there, and any snapshot fits any size."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.console import panels
from gateway.console.spans import PLAIN, RICH, Line, plain, width_of
from gateway.console.views import (
    Look,
    View,
    devices_view,
    footer,
    help_view,
    link_view,
    main_view,
    menu_of,
    messages_view,
)
from gateway.control.hub import HistoryPoint
from gateway.control.snapshot import DeviceView, KeyingView, NewsView, RecordView, SecurityView, Snapshot
from gateway.telling import Level
from tests.console.snapshots import AT_WORK, WALL_S, histories, snapshots

HISTORY = [HistoryPoint(WALL_S + 10 * n, -30.0, lost=n / 100, late=0.0, delay_ms=1400.0) for n in range(30)]


def words(rows: list[Line]) -> str:
    return "\n".join(plain(row) for row in rows)


def flat(rows: list[Line]) -> str:
    return " ".join(words(rows).split())


@pytest.mark.parametrize(
    "said",
    [
        "-18 dB",
        "vol +0 dB",
        "up serial 300 bit/s, half duplex",
        "480 ms packets, robust-packet",
        "fair: 8 % lost, 1.7 in a row",
        "5 % made up, SNR 12 dB",
        "others good: 0 % lost",
        "1.39 s from mouth to ear",
        "NONE: anybody can hear and talk",
        "1:20 last hour, 2 %",
        "bravo 12 s lost 8 % 12 dB",
        "charlie 10 min",
        "Standing by at the north buoy.",
        "sending 45 %",
    ],
)
def test_the_main_view_fits_a_terminal_of_80_by_24(said: str) -> None:
    # Columns stand beside each other; each is looked at by itself.
    rows = [plain(row) for row in main_view(AT_WORK, Look(80, 12, PLAIN, -9.0))]
    left, right = (
        " ".join(" ".join(row[:42] for row in rows).split()),
        " ".join(" ".join(row[42:] for row in rows).split()),
    )
    assert said in left or said in right


def test_more_room_shows_more() -> None:
    wide = words(main_view(AT_WORK, Look(140, 30, RICH), HISTORY))
    assert "codec 160" in wide
    assert "OVERS" in wide
    assert "CHARTS" in wide
    assert "lost now 29 %, worst 29 %" in wide
    assert "you 0:12" in wide


@pytest.mark.parametrize("height", [12, 20, 30, 45])
def test_all_charts_find_room_and_show_their_foot(height: int) -> None:
    rows = [plain(row)[41:].rstrip() for row in link_view(AT_WORK, Look(80, height, PLAIN), HISTORY)]
    for name in ("lost", "late", "delay s"):
        at = next(n for n, row in enumerate(rows) if row.startswith(name))
        title = next((n for n in range(at + 1, len(rows)) if rows[n][:4] in ("late", "made", "SNR ")), len(rows))
        assert rows[title - 1], f"{name} at {height}"


def test_what_is_wrong_stands_first() -> None:
    broken = replace(
        AT_WORK,
        audio=replace(AT_WORK.audio, input=DeviceView("headset", "missing", "no such device"), is_muted=True),
        keying=KeyingView("cat", False, "rig does not answer"),
        record=RecordView("/rec", "disk is full"),
        trace=RecordView("/trace", "limit reached"),
        security=SecurityView("authenticate-encrypt", 3, (3,), (("replayed", 4),)),
        link=replace(AT_WORK.link, outage="modem unplugged"),
    )
    rows = [plain(row) for row in main_view(broken, Look(80, 20, PLAIN))]
    assert rows[0].startswith("! MICROPHONE MISSING: no such device")
    assert rows[1].startswith("! KEYING: rig does not answer")
    assert rows[2].startswith("! NOT RECORDING: disk is full")
    assert rows[3].startswith("! NOT RECORDING THE LINK: limit reached")
    text = "\n".join(rows)
    for said in (
        "MUTED",
        "link    DOWN",
        "modem unplugged",
        "hidden and signed, key 3",
        "refused: replayed 4",
        "PROBLEM",
    ):
        assert said in text


@given(snapshots(), histories, st.integers(0, 150), st.integers(0, 45), st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_snapshot_fits_any_size(
    shot: Snapshot, history: list[HistoryPoint], width: int, height: int, is_plain: bool
) -> None:
    look = Look(width, height, PLAIN if is_plain else RICH, shot.audio.peak_db, chosen=1, scrolled=3)
    for rows in (
        main_view(shot, look, history),
        messages_view(shot, look),
        link_view(shot, look, history),
        devices_view(shot, look),
        help_view(look),
    ):
        assert len(rows) == height
        assert all(width_of(row) == width for row in rows)
        if is_plain:
            assert words(rows).isascii()
    assert width_of(panels.header(shot, width, look.glyphs)) == width


def test_a_chosen_message_is_marked_and_told_in_full() -> None:
    rows = words(messages_view(AT_WORK, Look(80, 12, PLAIN, chosen=1)))
    assert "MESSAGES 2 of 4" in rows
    assert "> " in rows
    marked = next(row for row in rows.splitlines() if row.startswith(">"))
    assert "to group" in marked
    assert "voice out group" in rows


def test_the_chosen_message_is_in_sight_of_a_long_list() -> None:
    many = replace(
        AT_WORK, messages=tuple(replace(AT_WORK.messages[0], wall_s=float(n), text=f"no {n}.") for n in range(50))
    )
    for chosen in (0, 25, 49):
        rows = words(messages_view(many, Look(80, 12, PLAIN, chosen=chosen)))
        assert f"no {49 - chosen}." in next(row for row in rows.splitlines() if row.startswith(">"))


def test_a_menu_offers_only_what_can_be_done() -> None:
    assert [menu_of(message) for message in AT_WORK.messages] == [
        "Esc back",
        "p play, d delete, Esc back",
        "p play, d delete, Esc back",
        "p play, r send again, d delete, Esc back",
    ]


def test_devices_counters_and_keys() -> None:
    rows = words(devices_view(AT_WORK, Look(80, 30, PLAIN)))
    assert "running USB headset" in rows
    assert "rx.packets" in rows
    assert "120" in rows
    keys = words(help_view(Look(78, 12, PLAIN)))
    for key in ("space", "break in", "night", "parrot", "quit"):
        assert key in keys


def test_long_views_scroll_to_their_end_and_no_further() -> None:
    assert "quit" not in words(help_view(Look(78, 5, PLAIN)))
    assert "quit" in words(help_view(Look(78, 5, PLAIN, scrolled=1000)))


def test_news_wraps_and_keeps_the_newest() -> None:
    told = [NewsView(1, WALL_S, "old"), NewsView(2, WALL_S, "a long line that takes two rows", Level.WARNING)]
    rows = [plain(row)[6:] for row in panels.news(told, 26, 2, PLAIN)]
    assert rows == ["! a long line that", "takes two rows"]
    assert panels.news([], 26, 2, PLAIN) == [(), ()]


def test_the_link_view_tells_the_delay_by_part() -> None:
    rows = flat(link_view(AT_WORK, Look(60, 40, PLAIN), HISTORY))
    assert "sound 40, noise filter 14, codec 160, packet 480, air 240, link 260, waiting 200 ms" in rows
    assert "packets up to 64 bytes" in rows


@given(st.sampled_from(View), st.integers(0, 200), st.text())
def test_the_footer_fits(view: View, width: int, hint: str) -> None:
    assert width_of(footer(view, width, PLAIN.shown(hint))) == width
