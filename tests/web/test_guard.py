"""Names, origins, tokens, sessions and patience."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.guard import (
    FORGOTTEN_AFTER_S,
    FREE_TRIES,
    LONGEST_WAIT_S,
    PLACES_KEPT,
    SESSION_S,
    TRIES_A_MINUTE,
    Allowance,
    Doors,
    Sessions,
    Throttle,
    place_of,
)

TOKEN = "abcde-abcde-abcde-abcde"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8300", "127.0.0.1", "localhost:9000", "LOCALHOST", "[::1]:8300", "127.1.2.3"]
)
def test_names_of_this_machine_are_known_on_loopback(host: str) -> None:
    assert Doors(loopback=True).knows_host(host)


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example:8300", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil", "a b", "::1"],
)
def test_other_names_are_not(host: str | None) -> None:
    """Somebody else's name that leads here (DNS rebinding)."""
    assert not Doors(loopback=True).knows_host(host)


def test_beyond_loopback_a_machine_has_many_names() -> None:
    doors = Doors(loopback=False)
    assert doors.knows_host("boreas.local:8300")
    assert doors.knows_host("192.0.2.7:8300")
    assert not doors.knows_host("boreas local")


def test_a_proxy_s_name_is_known_on_loopback_when_it_is_an_origin() -> None:
    doors = Doors(loopback=True, origins=("https://Radio.example/",))
    assert doors.knows_host("radio.example")
    assert not doors.knows_host("other.example")
    assert doors.knows_origin("https://radio.example", "127.0.0.1:8300")


@pytest.mark.parametrize(
    ("origin", "is_known"),
    [
        (None, True),
        ("http://127.0.0.1:8300", True),
        ("HTTP://127.0.0.1:8300", True),
        ("null", False),
        ("", False),
        ("http://127.0.0.1:8301", False),
        ("http://127.0.0.1", False),
        ("https://evil.example", False),
        ("http://127.0.0.1:8300@evil.example", False),
        ("file://127.0.0.1:8300", False),
        ("http://127.0.0.1:8300\n", False),
        ("http://[", False),
    ],
)
def test_only_our_own_pages_ask(origin: str | None, is_known: bool) -> None:
    assert Doors(loopback=True).knows_origin(origin, "127.0.0.1:8300") is is_known


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_is_an_exception(origin: str, host: str) -> None:
    for loopback in (True, False):
        doors = Doors(loopback=loopback)
        doors.knows_host(host)
        assert not doors.knows_origin(origin, "127.0.0.1:1") or origin.lower() in (
            "http://127.0.0.1:1",
            "https://127.0.0.1:1",
        )


def test_a_token_is_a_token() -> None:
    sessions = Sessions(TOKEN, lambda: 0.0)
    assert sessions.is_token(TOKEN)
    assert sessions.is_token(f" {TOKEN}\n")
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü" * 20, "\ud800"):
        assert not sessions.is_token(wrong)


def test_a_session_outlives_a_restart_but_no_new_token_and_no_month() -> None:
    now = [1000.0]
    given_id = Sessions(TOKEN, lambda: now[0]).begin()
    again = Sessions(TOKEN, lambda: now[0])
    assert again.is_session(given_id)
    assert not Sessions("another-token-than-that", lambda: now[0]).is_session(given_id)
    now[0] += SESSION_S - 1
    assert again.is_session(given_id)
    now[0] += 1
    assert not again.is_session(given_id)


def test_a_session_can_be_ended() -> None:
    sessions = Sessions(TOKEN, lambda: 0.0)
    one, other = sessions.begin(), sessions.begin()
    assert one != other
    sessions.end(one)
    sessions.end("nonsense")
    assert not sessions.is_session(one)
    assert sessions.is_session(other)


@given(st.integers(0, 55), st.integers(1, 255))
def test_a_session_with_one_byte_changed_is_none(place: int, change: int) -> None:
    sessions = Sessions(TOKEN, lambda: 0.0)
    raw = bytearray(base64.urlsafe_b64decode(sessions.begin()))
    assert len(raw) == 56
    raw[place] ^= change
    assert not sessions.is_session(base64.urlsafe_b64encode(raw).decode())


@given(st.text(max_size=120) | st.none())
def test_what_was_not_given_out_is_no_session(cookie: str | None) -> None:
    assert not Sessions(TOKEN, lambda: 0.0).is_session(cookie)


def test_guessing_is_slowed_down_for_one_place_only() -> None:
    throttle = Throttle()
    for _ in range(FREE_TRIES):
        assert throttle.wait_s("192.0.2.1", 0.0) == 0
        throttle.wrong("192.0.2.1", 0.0)
    waits = []
    now = 0.0
    for _ in range(9):
        waits.append(throttle.wait_s("192.0.2.1", now))
        now += waits[-1]
        assert throttle.wait_s("192.0.2.1", now) == 0
        throttle.wrong("192.0.2.1", now)
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert throttle.wait_s("192.0.2.2", now) == 0
    assert throttle.wait_s("192.0.2.1", now + FORGOTTEN_AFTER_S + 1) == 0


def test_the_right_token_ends_the_waiting() -> None:
    throttle = Throttle()
    for _ in range(FREE_TRIES):
        throttle.wrong("192.0.2.1", 0.0)
    throttle.right("192.0.2.1")
    throttle.wrong("192.0.2.1", 1.0)
    assert throttle.wait_s("192.0.2.1", 1.0) == 0


def test_guessing_from_many_places_is_slowed_down_too() -> None:
    throttle = Throttle()
    for n in range(TRIES_A_MINUTE):
        throttle.wrong(f"192.0.2.{n}", 10.0)
    assert throttle.wait_s("198.51.100.1", 10.0) == 60
    assert throttle.wait_s("198.51.100.1", 70.0) == 0


def test_places_do_not_fill_the_memory() -> None:
    throttle = Throttle()
    for n in range(PLACES_KEPT + 50):
        throttle.wrong(f"10.0.{n // 256}.{n % 256}", 1000.0 * n)
    assert len(throttle._places) == PLACES_KEPT


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:aaaa::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:bbbb::2", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
        ("a socket", "a socket"),
    ],
)
def test_a_network_of_ipv6_is_one_place(address: str | None, place: str) -> None:
    assert place_of(address) == place


def test_an_allowance_fills_up_again() -> None:
    allowance = Allowance(2.0, 3.0, 0.0)
    assert [allowance.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert not allowance.take(0.4)
    assert allowance.take(0.6)
    assert not allowance.take(0.6)
    assert [allowance.take(100.0) for _ in range(4)] == [True, True, True, False]
