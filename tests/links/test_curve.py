"""ZAP requests as libzmq writes them, and anything else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.links.curve import Curve, zap_answer

KEY = bytes(range(32))
REQUEST = [b"1.0", b"7", b"clarilink", b"127.0.0.1", b"", b"CURVE", KEY]


def test_a_listed_key_is_let_in() -> None:
    answer = zap_answer(REQUEST, frozenset({KEY}))
    assert answer is not None
    assert answer.is_admitted
    assert answer.parts == (b"1.0", b"7", b"200", b"", b"", b"")


def test_others_are_told_no() -> None:
    for request in ([*REQUEST[:6], bytes(32)], [*REQUEST[:5], b"NULL"], [*REQUEST[:5], b"PLAIN", b"name", b"word"]):
        answer = zap_answer(request, frozenset({KEY}))
        assert answer is not None
        assert not answer.is_admitted
        assert answer.parts[1:3] == (b"7", b"400")


def test_an_empty_list_lets_nobody_in() -> None:
    answer = zap_answer(REQUEST, frozenset())
    assert answer is not None
    assert not answer.is_admitted


@given(st.lists(st.binary(max_size=40), max_size=9))
def test_strange_requests_never_get_in(request: list[bytes]) -> None:
    answer = zap_answer(request, frozenset({KEY}))
    assert answer is None or not answer.is_admitted


def test_secrets_do_not_show() -> None:
    assert "hidden" not in repr(Curve("public", "hidden"))
