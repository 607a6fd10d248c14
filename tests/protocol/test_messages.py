"""Text messages: split and joined in any order, shown once, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.messages import TextAssembler, TextMessage, split_text
from gateway.protocol.packets import TextPacket


def split(text: str, message_id: int = 9, max_bytes: int = 200) -> tuple[TextPacket, ...]:
    return split_text(text, source=1, group=2, message_id=message_id, ack_wanted=True, max_bytes=max_bytes)


characters = st.characters(exclude_categories=("Cs", "Cc"))


@given(st.text(characters, min_size=1, max_size=60), st.integers(20, 200), st.randoms(use_true_random=False))
def test_any_order_with_repeats_gives_the_message_once(text: str, max_bytes: int, rng: object) -> None:
    parts = split(text, max_bytes=max_bytes)
    assert all(len(part.text.encode()) <= max_bytes for part in parts)
    assert [part.part for part in parts] == list(range(len(parts)))
    assert [part.last_part for part in parts] == [False] * (len(parts) - 1) + [True]
    sent = list(parts * 3)
    rng.shuffle(sent)  # type: ignore[attr-defined]
    assembler = TextAssembler()
    shown = [message for part in sent if (message := assembler.receive(part, 0.0))]
    assert shown == [TextMessage(1, 2, 9, text)]


def test_a_missing_part_shows_nothing_until_it_comes() -> None:
    first, middle, last = split("abcdefghijkl", max_bytes=4)
    assembler = TextAssembler()
    assert assembler.receive(first, 0.0) is None
    assert assembler.receive(last, 1.0) is None
    assert assembler.receive(middle, 2.0) == TextMessage(1, 2, 9, "abcdefghijkl")


def test_parts_are_forgotten_after_the_time_out_and_ids_may_be_used_again() -> None:
    first, last = split("abcdefgh", max_bytes=4)
    assembler = TextAssembler(time_out_s=60)
    assembler.receive(first, 0.0)
    assert assembler.receive(last, 60.0) is None
    (again,) = split("x", message_id=10)
    assert assembler.receive(again, 100.0)
    assert assembler.receive(again, 159.0) is None
    assert assembler.receive(again, 219.0)


def test_memory_is_bounded_and_the_longest_untouched_goes_first() -> None:
    assembler = TextAssembler(max_open=2)
    firsts, lasts = zip(*(split("abcdefgh", message_id=k, max_bytes=4) for k in range(3)), strict=True)
    for now_s, first in enumerate(firsts):
        assert assembler.receive(first, float(now_s)) is None
    assert assembler.receive(lasts[1], 3.0)
    assert assembler.receive(lasts[2], 4.0)
    assert assembler.receive(lasts[0], 5.0) is None


def test_what_cannot_be_sent_is_refused() -> None:
    for text in ("", "a" * 3201, "bell\a", "\ud800"):
        with pytest.raises(LocalProtocolError):
            split(text)
    with pytest.raises(LocalProtocolError, match="3 bytes: needs 4 to 200"):
        split("a", max_bytes=3)
    assert len(split("a" * 3200)) == 16
