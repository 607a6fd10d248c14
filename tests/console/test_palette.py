"""Colours: every role has one, night is red, and no colour is no colour."""

from __future__ import annotations

import pytest

from gateway.console.palette import DARK, MONO, NIGHT, Palette
from gateway.console.spans import Role


@pytest.mark.parametrize("palette", [DARK, NIGHT, MONO], ids=lambda palette: palette.name)
def test_every_role_has_a_style_and_on_the_air_stands_out(palette: Palette) -> None:
    assert set(palette.styles) == set(Role)
    others = [palette.styles[role] for role in (Role.READY, Role.BUSY, Role.CANNOT, Role.ASIDE, Role.TEXT)]
    assert palette.styles[Role.ON_AIR] not in others


def test_night_has_no_light_but_red() -> None:
    for style in NIGHT.styles.values():
        for color in (style.color, style.bgcolor):
            assert color is not None
            assert color.triplet is not None
            assert color.triplet.green == color.triplet.blue == 0


def test_without_colour_what_is_filled_is_reversed() -> None:
    assert all(style.color is None and style.bgcolor is None for style in MONO.styles.values())
    assert MONO.styles[Role.ON_AIR].reverse
