"""Big letters: five lines of one width each, and no two alike."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from gateway.console.bigtext import ROWS, big, big_width

KNOWN = string.ascii_uppercase + string.digits + " :-_./+!"


@given(st.text(KNOWN))
def test_five_lines_of_the_width_that_was_told(text: str) -> None:
    rows = big(text, "#")
    assert len(rows) == ROWS
    assert {len(row) for row in rows} == {big_width(text)}


def test_no_two_letters_look_alike() -> None:
    assert len({tuple(big(letter, "#")) for letter in KNOWN}) == len(KNOWN)


def test_accents_and_case_do_not_matter_and_other_scripts_have_no_shape() -> None:
    assert big("Ödön", "#") == big("ODON", "#")
    assert big_width("браво") is None
    assert big_width("") == 0
