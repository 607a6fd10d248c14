"""Two Dire Wolf sound-card TNCs on one null sink: our KISS driver's frames, and an over, through a real modem.

Sound on a loaded machine stutters now and then, and a frame with it: frames may need another try, but what is heard is
what was sent.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.drivers.kiss import KissDriver
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.runner import ModemRunner
from gateway.codec import Codec
from gateway.metrics import Metrics
from gateway.notices import RemoteTalker
from gateway.protocol.packets import VoicePacket
from gateway.protocol.parse import parse
from gateway.receive import Receiver
from gateway.transmit import Transmitter
from tests.conftest import PulseServer
from tests.integration.peers import await_sound, free_port, next_heard, require_program, running, send_until_heard

FRAMES_PER_PACKET = 12
PACKET_S = FRAMES_PER_PACKET * 0.08


def profile(**settings: object) -> ModemProfile:
    base = load_profile("direwolf-1200")
    return base.model_copy(update={"settings": base.settings | settings})


@pytest.fixture
def ports(pulse: PulseServer, tmp_path: Path) -> Iterator[list[int]]:
    """KISS ports of two instances that hear each other."""
    require_program("direwolf", "direwolf")
    ports = [free_port(), free_port()]
    with ExitStack() as stack:
        for number, port in enumerate(ports):
            config = tmp_path / f"direwolf-{number}.conf"
            config.write_text(
                f"ADEVICE default\nCHANNEL 0\nMYCALL N0CALL-{number + 1}\nMODEM 1200\nAGWPORT 0\nKISSPORT {port}\n"
            )
            stack.enter_context(
                running(["direwolf", "-c", str(config), "-t", "0"], tmp_path / f"direwolf-{number}.log")
            )
        yield ports


def pair(ports: list[int], stack: ExitStack, **settings: object) -> list[ModemRunner]:
    runners = []
    for port in ports:
        runners.append(ModemRunner(KissDriver(profile(**settings), Metrics()), f"tcp://127.0.0.1:{port}"))
        runners[-1].start()
        stack.callback(runners[-1].stop)
    await_sound(*runners)
    return runners


def test_frames_cross_both_ways_byte_exact(ports: list[int]) -> None:
    rng = random.Random(1)
    with ExitStack() as stack:
        a, b = pair(ports, stack)
        tries = []
        for size in (1, 5, 14, 31, 53, 250):
            tries.append(send_until_heard(a, b, rng.randbytes(size)))
            tries.append(send_until_heard(b, a, rng.randbytes(size)))
        assert tries.count(1) >= len(tries) / 2
        # Both instances hear the sink, and so themselves: what a sent is not delivered to a.
        assert next_heard(a, 1.0) is None
        assert a._driver.metrics.snapshot()["modem.rx_own"] >= len(tries) / 2


def test_the_profiles_air_time_is_dire_wolfs(ports: list[int]) -> None:
    with ExitStack() as stack:
        a, b = pair(ports, stack)
        best_s = {size: min(_crossing_s(a, b, bytes(size)) for _ in range(4)) for size in (40, 240)}
        profiles_s = a.info.airtime_s(240) - a.info.airtime_s(40)
        assert 0.8 <= (best_s[240] - best_s[40]) / profiles_s <= 1.6


def _crossing_s(sender: ModemRunner, listener: ModemRunner, data: bytes) -> float:
    began = time.monotonic()
    sender.send(data)
    heard = next_heard(listener, 8.0)
    took_s = time.monotonic() - began if heard == data else float("inf")
    while sender.waiting:
        time.sleep(0.02)
    return took_s


def test_frames_that_are_not_ax25_cross_from_15_bytes_on(ports: list[int]) -> None:
    with ExitStack() as stack:
        a, b = pair(ports, stack, ax25=None)
        send_until_heard(a, b, bytes(range(15)))
        send_until_heard(b, a, b"\xc0\xdb\xdc\xdd" * 20)
        for _ in range(3):
            assert a.send(bytes(range(14))) is not None
        assert next_heard(b, 4.0) is None


def test_ackmode_is_not_known_and_the_driver_goes_on_without(ports: list[int]) -> None:
    with ExitStack() as stack:
        a, b = pair(ports, stack, ackmode=True, ack_timeout_ms=1000)
        assert "pacing by air time" in a.status_text
        send_until_heard(a, b, b"heard all the same")


def test_an_over_crosses_live(ports: list[int], small_codec: Codec, speechlike: np.ndarray) -> None:
    sender = Transmitter(
        small_codec,
        source=7,
        group=1,
        frames_per_packet=FRAMES_PER_PACKET,
        crc=False,
        rng=random.Random(1),
        metrics=Metrics(),
    )
    receiver = Receiver(
        small_codec, frames_per_packet=FRAMES_PER_PACKET, crc=False, cushion_s=0.5, cap_s=2.0, metrics=Metrics()
    )
    speech = np.concatenate([speechlike] * 4)  # 12.4 s
    sender.start()
    packets = sender.push(speech) + sender.finish()
    with ExitStack() as stack:
        a, b = pair(ports, stack)
        heard: list[bytes] = []
        began = time.monotonic()
        for number, packet in enumerate(packets):
            while (left := began + number * PACKET_S - time.monotonic()) > 0:
                heard += [data for data in [next_heard(b, left)] if data is not None]
            assert a.send(packet) is not None, "the modem falls behind live speech"
        give_up = time.monotonic() + 8.0
        while time.monotonic() < give_up and (not heard or heard[-1] != packets[-1]):
            heard += [data for data in [next_heard(b, 1.0)] if data is not None]
    assert [packet for packet in packets if packet in heard] == heard, "in order, each once"
    assert len(heard) >= 0.75 * len(packets)
    notices = [notice for number, data in enumerate(heard) for notice in receiver.on_packet(data, number * PACKET_S)]
    frames = sum(len(packet.frames) for packet in map(_voice, heard))
    assert frames * 0.08 >= 0.7 * len(speech) / 16_000
    assert any(isinstance(notice, RemoteTalker) and notice.session.source == 7 for notice in notices)


def _voice(data: bytes) -> VoicePacket:
    packet = parse(data, crc=False)
    assert isinstance(packet, VoicePacket)
    return packet
