"""What the screen is made of: lines that are drawn again where they changed, and the line for a text.

Rule: they know nothing of a station.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment
from textual.events import Key
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from gateway.console.palette import DARK, Palette
from gateway.console.spans import Line, fitted, plain


class Lines(Widget):
    """Lines of spans; only those that changed are drawn again."""

    DEFAULT_CSS = "Lines { width: 1fr; height: auto; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._rows: list[Line] = []
        self.palette: Palette = DARK

    def show(self, rows: list[Line]) -> None:
        """From now on these, as many as the widget is high."""
        old, self._rows = self._rows, rows
        for n in range(max(len(old), len(rows))):
            if n >= len(old) or n >= len(rows) or old[n] != rows[n]:
                self.refresh(Region(0, n, self.size.width, 1))

    def painted(self, palette: Palette) -> None:
        """In other colours."""
        self.palette = palette
        self.refresh()

    @property
    def words(self) -> str:
        """What stands there, without colours."""
        return "\n".join(plain(row) for row in self._rows)

    def render_line(self, y: int) -> Strip:
        row = fitted(self._rows[y] if y < len(self._rows) else (), self.size.width)
        return Strip([Segment(span.text, self.palette.styles[span.role]) for span in row], self.size.width)


class TextLine(Input):
    """The line on which a text is written. It gives every key that is not editing to the screen, in the order in which
    keys came: what follows an Enter at once must not end up in the text."""

    def __init__(self, keys: Callable[[Key, str], bool], max_length: int) -> None:
        super().__init__(max_length=max_length, select_on_focus=False)
        self.keys = keys
        """Given a key and the text so far; whether it was none of the line's."""
        self.last_key: Key | None = None

    def on_key(self, event: Key) -> None:
        self.last_key = event
        if self.keys(event, self.value):
            event.prevent_default()
            event.stop()
