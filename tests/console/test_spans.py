"""Lines: cut and filled by cells, wrapped, stacked by what matters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gateway.console.spans import (
    PLAIN,
    RICH,
    Glyphs,
    Role,
    Section,
    Span,
    beside,
    fitted,
    line,
    plain,
    stacked,
    width_of,
    wrapped,
)

SHOWN = st.text().map(RICH.shown)
LINES = st.lists(st.builds(Span, SHOWN, st.sampled_from(Role)), max_size=4).map(tuple)


@given(LINES, st.integers(0, 40))
def test_a_fitted_line_has_exactly_its_width(spans: tuple[Span, ...], width: int) -> None:
    assert width_of(fitted(spans, width)) == width


@given(LINES, LINES, st.integers(0, 40))
def test_what_stands_at_the_right_is_cut_last(left: tuple[Span, ...], right: tuple[Span, ...], width: int) -> None:
    both = beside(left, right, width)
    assert width_of(both) == width
    if width_of(right) <= width:
        assert plain(both).endswith(plain(right))


@given(SHOWN, st.integers(2, 40))
def test_wrapping_loses_no_word_and_keeps_the_width(text: str, width: int) -> None:
    rows = wrapped(text, width)
    assert rows
    assert all(cell_len(row) <= width for row in rows)
    assert "".join("".join(rows).split()) == "".join(text.split())


def test_a_figure_stays_with_its_per_cent() -> None:
    assert wrapped("fair: 8 % lost, 10 % late", 16) == ["fair: 8 % lost,", "10 % late"]


@pytest.mark.parametrize(
    ("glyphs", "text", "shown"),
    [
        (RICH, "Grüße\x1b[2J\n", "Grüße?[2J "),
        (PLAIN, "Grüße ✓", "Gru?e ?"),
        (PLAIN, "plain", "plain"),
    ],
)
def test_text_from_elsewhere_is_made_harmless(glyphs: Glyphs, text: str, shown: str) -> None:
    assert glyphs.shown(text) == shown


def test_all_that_a_plain_terminal_is_given_is_ascii() -> None:
    assert (PLAIN.block + PLAIN.rest + PLAIN.rule + PLAIN.steps).isascii()
    assert len(PLAIN.steps) == len(RICH.steps)


def test_small_screens_keep_what_matters_and_the_order_of_the_screen() -> None:
    def section(name: str, order: int, count: int, least: int = 1) -> Section:
        return Section(order, tuple(line(f"{name}{n}") for n in range(count)), least)

    sections = [section("a", 2, 3), section("b", 1, 2, 2), section("c", 3, 2)]
    assert [plain(row) for row in stacked(sections, 7)] == ["a0", "a1", "a2", "b0", "b1", "c0", "c1"]
    assert [plain(row) for row in stacked(sections, 4)] == ["a0", "b0", "b1", "c0"]
    assert [plain(row) for row in stacked(sections, 2)] == ["b0", "b1"]
    assert stacked(sections, 0) == []
