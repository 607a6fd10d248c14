"""Pins without a chip: libgpiod's own Python classes, with the request (the one call that needs one) stood in for."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import pytest

from firmware_bridge.ptt.devices import open_key_device
from firmware_bridge.ptt.gpio import GpioContact
from gateway.errors import KeyingError
from gateway.ptt_config import GpioInput, GpioKey

gpiod = pytest.importorskip("gpiod", reason="gpiod is not installed (pip install clarilink[gpio])")


class FakeRequest:
    """A request of one pin, as gpiod.LineRequest has it."""

    def __init__(self, chip: str, consumer: str, config: dict[Any, Any]) -> None:
        self.chip, self.consumer = chip, consumer
        ((self.pin, self.settings),) = config.items()
        self.values = [self.settings.output_value]
        self.edges: list[bool] = []
        self.is_released = False

    def set_value(self, pin: Any, value: Any) -> None:
        assert pin == self.pin
        self.values.append(value)

    def get_value(self, pin: Any) -> Any:
        return self.values[-1]

    def wait_edge_events(self, timeout: timedelta) -> bool:
        assert timeout >= timedelta()
        return bool(self.edges)

    def read_edge_events(self) -> list[bool]:
        edges, self.edges = self.edges, []
        return edges

    def release(self) -> None:
        self.is_released = True


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[FakeRequest]:
    made: list[FakeRequest] = []

    def request_lines(path: str, consumer: str, config: dict[Any, Any]) -> FakeRequest:
        made.append(FakeRequest(path, consumer, config))
        return made[-1]

    monkeypatch.setattr(gpiod, "request_lines", request_lines)
    return made


@pytest.mark.parametrize("active_low", [False, True])
def test_a_pin_is_off_from_the_start_and_after_the_end(requests: list[FakeRequest], active_low: bool) -> None:
    from gpiod.line import Direction, Value

    section = GpioKey.model_validate({"kind": "gpio", "gpio": 17, "active_low": active_low})
    device = open_key_device(section)
    (request,) = requests
    assert (request.chip, request.pin, request.consumer) == ("/dev/gpiochip0", 17, "clarilink")
    assert request.settings.direction is Direction.OUTPUT
    assert request.settings.active_low is active_low
    device.set(True)
    device.set(False)
    device.set(True)
    device.close()
    on, off = Value.ACTIVE, Value.INACTIVE
    assert request.values[:4] == [off, on, off, on]
    assert request.values[-1] is off
    assert request.is_released


def test_a_contact_wakes_at_edges(requests: list[FakeRequest]) -> None:
    from gpiod.line import Bias, Edge, Value

    contact = GpioContact(GpioInput.model_validate({"kind": "gpio", "gpio": "PTT"}))
    (request,) = requests
    assert request.settings.bias is Bias.PULL_UP
    assert request.settings.active_low
    assert request.settings.edge_detection is Edge.BOTH
    request.values.append(Value.INACTIVE)
    assert contact.read(0.1) is False
    request.values.append(Value.ACTIVE)
    request.edges.append(True)
    assert contact.read(0.1) is True
    assert request.edges == []
    contact.close()


def test_a_chip_that_is_not_there_and_a_library_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    section = GpioKey(kind="gpio", chip="/dev/no-such-chip", gpio=17)
    with pytest.raises(KeyingError, match=r"^/dev/no-such-chip: pin 17: No such file or directory$"):
        open_key_device(section)
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(KeyingError, match=r"pip install 'clarilink\[gpio\]'"):
        open_key_device(section)
