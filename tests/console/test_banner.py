"""What matters most: each state in words, and on the air never for anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.banner import banner_lines, banner_of
from gateway.console.spans import PLAIN, RICH, Glyphs, Role, plain, width_of
from gateway.control.snapshot import KeyingView, PttView, Snapshot, TalkerView
from tests.console.snapshots import AT_WORK, HEARING, TALKING, snapshots, with_ptt

MISSING = replace(
    AT_WORK, audio=replace(AT_WORK.audio, input=replace(AT_WORK.audio.input, state="missing", text="gone"))
)


@pytest.mark.parametrize(
    ("shot", "role", "word", "said"),
    [
        (AT_WORK, Role.READY, "READY", "YOU MAY TALK"),
        (TALKING, Role.ON_AIR, "ON AIR", "2:45 left"),
        (with_ptt(mode="talking", time_left_s=12.0), Role.ON_AIR, "ON AIR", "TIME IS NEARLY UP"),
        (with_ptt(mode="tail"), Role.ON_AIR, "ON AIR", "STILL ON THE AIR"),
        (with_ptt(mode="talking", held_by=("web:1a2b",)), Role.ON_AIR, "ON AIR", "key: web:1a2b"),
        (with_ptt(mode="talking", is_parrot=True), Role.ASIDE, "PARROT", "NOT ON THE AIR"),
        (with_ptt(mode="talking", talks_buffered=True), Role.ASIDE, "REC", "space ends and sends"),
        (with_ptt(is_recording=True), Role.ASIDE, "REC", "m ends and sends"),
        (with_ptt(is_parrot=True), Role.ASIDE, "PARROT", "nothing is sent"),
        (with_ptt(talks_buffered=True), Role.READY, "READY", "THE KEY RECORDS A MESSAGE"),
        (with_ptt(mode="locked_out", refusal="locked_out"), Role.CANNOT, "LOCKED", "let the key go"),
        (with_ptt(mode="waiting", waits_for_floor=True), Role.BUSY, "WAIT", "when the channel is free"),
        (with_ptt(mode="keying"), Role.BUSY, "NOT YET", "do not talk yet"),
        (replace(HEARING, ptt=PttView("busy_lockout")), Role.CANNOT, "BUSY", "REFUSED: bravo is talking"),
        (with_ptt(mode="busy_lockout", refusal="not_free"), Role.CANNOT, "BUSY", "did not get free in time"),
        (HEARING, Role.BUSY, "bravo", "HEARD NOW: bravo to group 7"),
        (replace(HEARING, talker=TalkerView("unknown talker")), Role.BUSY, "SOMEBODY", "unknown talker"),
        (replace(HEARING, ptt=PttView("receiving", is_full_duplex=True)), Role.BUSY, "bravo", "you may talk too"),
        (replace(HEARING, ptt=PttView("receiving", waits_for_floor=True)), Role.BUSY, "WAIT", "when bravo ends"),
        (replace(TALKING, talker=TalkerView("bravo", 2)), Role.ON_AIR, "ON AIR", "bravo talks too"),
        (replace(AT_WORK, link=replace(AT_WORK.link, outage="unplugged")), Role.CANNOT, "NO LINK", "unplugged"),
        (replace(AT_WORK, link=replace(AT_WORK.link, is_up=False)), Role.CANNOT, "NO LINK", "YOU CANNOT TALK"),
        (replace(AT_WORK, link=replace(AT_WORK.link, fit="no", reason="slow")), Role.CANNOT, "NO VOICE", "slow"),
        (replace(AT_WORK, keying=KeyingView("cat", False, "no answer")), Role.CANNOT, "NO TX", "no answer"),
        (MISSING, Role.CANNOT, "NO MIC", "gone"),
    ],
)
def test_each_state_is_worded(shot: Snapshot, role: Role, word: str, said: str) -> None:
    banner = banner_of(shot)
    assert (banner.role, banner.word) == (role, word)
    assert said in f"{banner.label} {banner.detail}"


def test_a_refusal_is_shown_with_its_reason() -> None:
    refused = replace(HEARING, ptt=replace(HEARING.ptt, refusal="busy"))
    assert banner_of(refused, refused_now=True).label == "REFUSED: bravo is talking"
    assert banner_of(refused, refused_now=True).role is Role.CANNOT
    assert banner_of(refused).word == "bravo"
    assert banner_of(with_ptt(refusal="no_link"), refused_now=True).label == "REFUSED: no link"


@given(snapshots(), st.booleans(), st.none() | st.floats(3, 100))
def test_on_the_air_is_shown_for_nothing_else(shot: Snapshot, refused_now: bool, silent_s: float | None) -> None:
    banner = banner_of(shot, refused_now=refused_now, silent_s=silent_s)
    ptt = shot.ptt
    is_on_air = ptt.mode in ("talking", "tail") and not (ptt.is_parrot or ptt.is_recording or ptt.talks_buffered)
    assert (banner.role is Role.ON_AIR) == (is_on_air and silent_s is None)


@given(snapshots(), st.integers(0, 150), st.integers(0, 9), st.sampled_from([PLAIN, RICH]))
def test_it_fits_any_size(shot: Snapshot, width: int, height: int, glyphs: Glyphs) -> None:
    rows = banner_lines(banner_of(shot), width, height, glyphs)
    assert len(rows) == min(height, 7)
    assert all(width_of(row) == width for row in rows)
    if glyphs.is_plain:
        assert all(plain(row).isascii() for row in rows)


def test_small_and_large_say_the_same() -> None:
    banner = banner_of(TALKING)
    assert "YOU ARE ON THE AIR" in plain(banner_lines(banner, 60, 1, PLAIN)[0])
    assert "ON AIR 2:45" in plain(banner_lines(banner, 60, 3, PLAIN)[1])
    large = [plain(row) for row in banner_lines(banner, 78, 7, PLAIN)]
    assert large[1].startswith("  ###  #   #      ###  ### ####")
    assert large[6].startswith(" since 0:15")
