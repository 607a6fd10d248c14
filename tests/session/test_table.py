"""The push-to-talk table as a whole: every mode by every cause, as docs/ptt.md shows it, and what its rows promise."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from gateway.session.events import EndOver, KeyDown, KeyUp, Notify, PlayTone, Refused, StartOver, Tone
from gateway.session.machine import SessionMachine, SessionState
from gateway.session.table import KEY_DOWN_MODES, KEYED_MODES, TABLE, TALK_MODES, Cause, Mode, To

PAGE = Path(__file__).parents[2] / "docs" / "ptt.md"
PAIRS = list(itertools.product(Mode, Cause))
WORDS = {"told": To.SAME, "rest": To.REST} | {mode.value.replace("_", " "): mode for mode in Mode}


def page_table() -> dict[tuple[Mode, Cause], Mode | To | None]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| cause |"))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in itertools.takewhile(bool, lines[start:])]
    modes = [WORDS[name] for name in rows[0][1:]]
    assert modes == list(Mode)
    found: dict[tuple[Mode, Cause], Mode | To | None] = {}
    for name, *cells in rows[2:]:
        for mode, cell in zip(Mode, cells, strict=True):
            found[mode, Cause(name.replace(" ", "_"))] = WORDS[cell] if cell else None
    return found


def goes_to(mode: Mode, cause: Cause) -> set[Mode]:
    """Where the pair can lead."""
    row = TABLE.get((mode, cause))
    if row is None or row.to is To.SAME:
        return {mode}
    return {Mode.IDLE, Mode.RECEIVING} if isinstance(row.to, To) else {row.to}


def test_the_page_shows_the_table() -> None:
    shown = page_table()
    assert set(shown) == set(PAIRS)
    assert {pair: TABLE[pair].to if pair in TABLE else None for pair in PAIRS} == shown


@pytest.mark.parametrize("mode", Mode)
def test_the_transmitter_is_on_where_it_should_be_and_nowhere_else(mode: Mode) -> None:
    for cause in Cause:
        done = Counter(TABLE[mode, cause].actions if (mode, cause) in TABLE else ())
        for after in goes_to(mode, cause):
            was_on, is_on = mode in KEYED_MODES, after in KEYED_MODES
            was_sent, is_sent = mode in TALK_MODES, after in TALK_MODES
            assert done[KeyUp()] == (is_on and not was_on), cause
            assert done[KeyDown()] == (was_on and not is_on), cause
            assert done[StartOver()] == (is_sent and not was_sent), cause
            assert done[EndOver()] == (was_sent and not is_sent), cause


def test_things_are_done_in_an_order_that_works() -> None:
    for pair, row in TABLE.items():
        order = [type(action) for action in row.actions]
        for first, then in ((KeyUp, StartOver), (EndOver, KeyDown), (StartOver, PlayTone), (KeyDown, PlayTone)):
            assert first not in order or then not in order or order.index(first) < order.index(then), pair


def test_a_pair_in_the_table_does_something() -> None:
    assert all(row.to is not To.SAME or row.actions for row in TABLE.values())


def test_every_refusal_is_heard() -> None:
    for pair, row in TABLE.items():
        if any(isinstance(action, Refused) for action in row.actions):
            assert PlayTone(Tone.REFUSED) in row.actions, pair


def test_whoever_is_cut_off_with_the_key_down_hears_and_reads_it() -> None:
    for (mode, cause), row in TABLE.items():
        if mode in KEYED_MODES and row.to in (Mode.LOCKED_OUT, Mode.BUSY_LOCKOUT):
            assert any(isinstance(action, PlayTone) for action in row.actions), (mode, cause)
            assert any(isinstance(action, Notify | Refused) for action in row.actions), (mode, cause)


@pytest.mark.parametrize("mode", Mode)
def test_letting_go_takes_the_key_out_of_every_mode_in_which_it_is_down(mode: Mode) -> None:
    assert (goes_to(mode, Cause.RELEASE) != {mode}) == (mode in KEY_DOWN_MODES)
    assert not goes_to(mode, Cause.RELEASE) & KEY_DOWN_MODES


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode in KEYED_MODES])
@pytest.mark.parametrize("cause", [Cause.TIMED_OUT, Cause.LINK_LOST, Cause.KEY_LOST, Cause.SHUTDOWN])
def test_what_must_unkey_does(mode: Mode, cause: Cause) -> None:
    assert not goes_to(mode, cause) & KEYED_MODES


def test_a_voice_is_never_answered() -> None:
    for mode in Mode:
        row = TABLE.get((mode, Cause.VOICE))
        assert row is None or set(row.actions) <= {KeyUp(), StartOver()}


def test_properties_of_the_state_follow_the_modes() -> None:
    for mode in Mode:
        state = SessionState(mode)
        assert state.is_keyed == (mode in KEYED_MODES)
        assert state.is_transmitting == (mode in TALK_MODES)
        assert state.is_key_down == (mode in KEY_DOWN_MODES)
        assert state.is_listening == (mode not in KEYED_MODES)


def test_modes_that_end_by_themselves_have_a_deadline() -> None:
    machine = SessionMachine()
    for mode in Mode:
        has_deadline = machine.next_deadline_s(SessionState(mode, since_s=5.0, over_since_s=5.0)) is not None
        assert has_deadline == (mode in KEYED_MODES)
