"""Big letters, five lines high: what must be read from a metre away, at night, on a moving deck. Pure."""

from __future__ import annotations

import unicodedata

ROWS = 5
GAP = 1
_FONT_ROWS = """
A .###. #...# ##### #...# #...#
B ####. #...# ####. #...# ####.
C .#### #.... #.... #.... .####
D ####. #...# #...# #...# ####.
E ##### #.... ####. #.... #####
F ##### #.... ####. #.... #....
G .#### #.... #..## #...# .####
H #...# #...# ##### #...# #...#
I ### .#. .#. .#. ###
J ..### ...#. ...#. #..#. .##..
K #...# #..#. ###.. #..#. #...#
L #.... #.... #.... #.... #####
M #...# ##.## #.#.# #...# #...#
N #...# ##..# #.#.# #..## #...#
O .###. #...# #...# #...# .###.
P ####. #...# ####. #.... #....
Q .###. #...# #.#.# #..#. .##.#
R ####. #...# ####. #..#. #...#
S .#### #.... .###. ....# ####.
T ##### ..#.. ..#.. ..#.. ..#..
U #...# #...# #...# #...# .###.
V #...# #...# #...# .#.#. ..#..
W #...# #...# #.#.# ##.## #...#
X #...# .#.#. ..#.. .#.#. #...#
Y #...# .#.#. ..#.. ..#.. ..#..
Z ##### ...#. ..#.. .#... #####
0 .##. #..# #..# #..# .##.
1 .#. ##. .#. .#. ###
2 ###. ...# .##. #... ####
3 ###. ...# .##. ...# ###.
4 #..# #..# #### ...# ...#
5 #### #... ###. ...# ###.
6 .##. #... ###. #..# .##.
7 #### ...# ..#. .#.. .#..
8 .##. #..# .##. #..# .##.
9 .##. #..# .### ...# .##.
: . # . # .
- ... ... ### ... ...
_ ... ... ... ... ###
. . . . . #
/ ....# ...#. ..#.. .#... #....
+ ... .#. ### .#. ...
! # # # . #
"""
_FONT = {row[0]: row[2:].split(" ") for row in _FONT_ROWS.strip().splitlines()} | {" ": ["..."] * ROWS}


def big_width(text: str) -> int | None:
    """Cells that `text` takes when it is big; None where a character has no big shape."""
    letters = _letters(text)
    if any(letter not in _FONT for letter in letters):
        return None
    return sum(len(_FONT[letter][0]) + GAP for letter in letters) - GAP if letters else 0


def big(text: str, block: str) -> list[str]:
    """Five lines; every character must have a big shape (`big_width`)."""
    letters = _letters(text)
    rows = ((" " * GAP).join(_FONT[letter][n] for letter in letters) for n in range(ROWS))
    return [row.replace(".", " ").replace("#", block) for row in rows]


def _letters(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return bare.upper()
