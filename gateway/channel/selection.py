"""Which directions of a net somebody means, in a word or two: `alpha>bravo`, `alpha<>bravo`, `alpha`, `*`.

Rule: the same words everywhere, in log lines, on the command line and over the control socket.
"""

from __future__ import annotations

from dataclasses import dataclass

ALL = "*"


@dataclass(frozen=True, slots=True)
class Selection:
    """Ordered pairs of stations, None standing for any: those that fit one of `pairs`."""

    pairs: tuple[tuple[str | None, str | None], ...]

    def fits(self, source: str, destination: str) -> bool:
        """Whether the direction is meant."""
        return any(a in (None, source) and b in (None, destination) for a, b in self.pairs)

    @property
    def fits_all(self) -> bool:
        """Whether every direction is meant."""
        return (None, None) in self.pairs

    def __str__(self) -> str:
        return ", ".join(f"{source or ALL}>{destination or ALL}" for source, destination in self.pairs)


def select(text: str) -> Selection:
    """`*` is every direction, `a` all from and to station a, `a>b` one direction, `a<>b` both; `*` for a or b is any.

    Raises ValueError for anything else. A station whose own name has `<` or `>` or is `*` cannot be told apart.
    """
    both = "<>" in text
    parts = [part.strip() for part in text.split("<>" if both else ">")]
    odd = len(parts) > 2 or not all(parts) or any(sign in part for part in parts for sign in "<>")
    if odd or (both and parts[0] == parts[1]):
        raise ValueError(f"path {text!r}: needs `*`, a station's name, `alpha>bravo` or `alpha<>bravo`")
    names = [None if part == ALL else part for part in parts]
    if len(names) == 1:
        return Selection(((None, None),) if names[0] is None else ((names[0], None), (None, names[0])))
    first, second = names
    return Selection(((first, second), (second, first)) if both else ((first, second),))
