"""minimodem's FSK tones as a transparent modem: packets and an over cross between two pseudo-terminals."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
import pytest

from firmware_bridge.profile import load_profile
from firmware_bridge.registry import build_driver
from firmware_bridge.runner import ModemRunner
from firmware_bridge.sim.minimodem import minimodem_pair
from gateway.codec import Codec
from gateway.metrics import Metrics
from gateway.transmit import Transmitter
from tests.integration.peers import await_sound, next_heard, require_program, send_until_heard


@contextmanager
def runners(baud: int, folder: Path) -> Iterator[tuple[ModemRunner, ModemRunner]]:
    """Two modems at work, sound begun."""
    require_program("minimodem", "minimodem")
    require_program("pulseaudio", "pulseaudio")
    profile = load_profile(f"minimodem-{baud}")
    # A busy machine's sound stutters with short buffers; delay does no harm here.
    with minimodem_pair(baud, folder, latency_ms=300) as modems:
        pair = [ModemRunner(build_driver(profile, Metrics(), Random(1)), modem.address) for modem in modems]
        for runner in pair:
            runner.start()
        try:
            await_sound(pair[0], pair[1])
            await_sound(pair[1], pair[0])
            yield pair[0], pair[1]
            assert [modem.failure() for modem in modems] == [None, None]
        finally:
            for runner in pair:
                runner.stop()


@pytest.mark.parametrize("baud", [600, 1200])
def test_packets_cross_both_ways_byte_exact(baud: int, tmp_path: Path) -> None:
    rng = random.Random(baud)
    tries = []
    with runners(baud, tmp_path) as (a, b):
        for size in (1, 31, 53, 120):
            tries.append(send_until_heard(a, b, rng.randbytes(size)))
            tries.append(send_until_heard(b, a, rng.randbytes(size)))
    assert tries.count(1) >= len(tries) / 2


@pytest.mark.parametrize(("baud", "frames_per_packet"), [(600, 12), (1200, 6)])
def test_an_over_crosses_live(
    baud: int, frames_per_packet: int, small_codec: Codec, speechlike: np.ndarray, tmp_path: Path
) -> None:
    sender = Transmitter(
        small_codec,
        source=7,
        group=1,
        frames_per_packet=frames_per_packet,
        crc=False,
        rng=random.Random(1),
        metrics=Metrics(),
    )
    sender.start()
    packets = sender.push(np.concatenate([speechlike] * 3)) + sender.finish()  # 9.3 s
    packet_s = frames_per_packet * 0.08
    heard: list[bytes] = []
    with runners(baud, tmp_path) as (a, b):
        began = time.monotonic()
        for number, packet in enumerate(packets):
            while (left := began + number * packet_s - time.monotonic()) > 0:
                heard += [data for data in [next_heard(b, left)] if data is not None]
            assert a.send(packet) is not None, "the modem falls behind live speech"
        give_up = time.monotonic() + 8.0
        while time.monotonic() < give_up and (not heard or heard[-1] != packets[-1]):
            heard += [data for data in [next_heard(b, 1.0)] if data is not None]
    assert [packet for packet in packets if packet in heard] == heard, "in order, each once"
    assert len(heard) >= 0.75 * len(packets)
