"""Pins of a single-board computer through libgpiod (2.x), to key with and to read a contact from.

Rule: the only importer of `gpiod`, and only when a configuration names a pin: it is an extra.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.errors import KeyingError
from gateway.ptt_config import GpioInput, GpioKey

if TYPE_CHECKING:
    import gpiod

CONSUMER = "clarilink"
BIASES = {"as-is": "AS_IS", "none": "DISABLED", "pull-up": "PULL_UP", "pull-down": "PULL_DOWN"}


def _request(chip: str, pin: int | str, settings: gpiod.LineSettings) -> gpiod.LineRequest:
    import gpiod

    try:
        return gpiod.request_lines(chip, consumer=CONSUMER, config={pin: settings})
    except (OSError, ValueError) as error:
        raise KeyingError(f"{chip}: pin {pin}: {getattr(error, 'strerror', None) or error}") from error


def _check_library() -> None:
    try:
        import gpiod  # noqa: F401
    except ImportError:
        raise KeyingError("pins need the Python package gpiod 2: pip install 'clarilink[gpio]'") from None


class GpioLine:
    """An output pin, off from the start; it stays so after the end only as far as the chip's driver keeps it."""

    def __init__(self, section: GpioKey) -> None:
        _check_library()
        import gpiod
        from gpiod.line import Direction, Value

        self._section = section
        self._on, self._off = Value.ACTIVE, Value.INACTIVE
        settings = gpiod.LineSettings(
            direction=Direction.OUTPUT, active_low=section.active_low, output_value=Value.INACTIVE
        )
        self._request = _request(section.chip, section.gpio, settings)

    def set(self, is_on: bool) -> None:
        try:
            self._request.set_value(self._section.gpio, self._on if is_on else self._off)
        except (OSError, ValueError) as error:
            raise KeyingError(f"{self._section.chip}: pin {self._section.gpio}: {error}") from error

    def close(self) -> None:
        with contextlib.suppress(KeyingError):
            self.set(False)
        self._request.release()


class GpioContact:
    """An input pin that wakes at each change."""

    def __init__(self, section: GpioInput) -> None:
        _check_library()
        import gpiod
        from gpiod.line import Bias, Direction, Edge, Value

        self._section = section
        self._active = Value.ACTIVE
        settings = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.BOTH,
            active_low=section.active_low,
            bias=Bias[BIASES[section.bias]],
        )
        self._request = _request(section.chip, section.gpio, settings)

    def read(self, timeout_s: float) -> bool:
        """Whether the contact is closed, as soon as it changes or after `timeout_s`. Raises KeyingError."""
        try:
            if self._request.wait_edge_events(timedelta(seconds=timeout_s)):
                self._request.read_edge_events()
            return self._request.get_value(self._section.gpio) == self._active
        except (OSError, ValueError) as error:
            raise KeyingError(f"{self._section.chip}: pin {self._section.gpio}: {error}") from error

    def close(self) -> None:
        self._request.release()
