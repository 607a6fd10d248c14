"""The channel process without sockets, in simulated time: who is there, and twice the same to the byte."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import ChannelProcessConfig, load_channel
from gateway.links.channel_control import answer
from gateway.links.channel_core import MAX_STATIONS, ChannelCore
from gateway.links.envelope import Bye, Hello, Packet, Refused, Welcome, pack, unpack

ROOT = Path(__file__).parents[2]


def core(spec: ChannelSpec | None = None, seed: int = 0) -> ChannelCore:
    made = spec if spec is not None else ChannelSpec("clean")
    return ChannelCore(ChannelProcessConfig("tcp://127.0.0.1:1", made, seed=seed), 0.0)


def test_hello_is_answered_and_packets_reach_the_others() -> None:
    net = core()
    for name in ("a", "b"):
        answers = net.handle(name.encode(), Hello(name, 1), 0.0)
        assert [(to, unpack(data)) for to, data in answers] == [(name.encode(), Welcome(0, 0.0, False, 0.0, 0))]
    assert net.handle(b"a", Packet("a", 1, b"x"), 1.0) == []
    assert list(net.deliver(1.0)) == [(b"b", pack(Packet("a", 0, b"x")), 1.0)]
    net.handle(b"b", Bye("b", 7), 1.0)
    assert net.stations == ["a", "b"]
    net.handle(b"b", Bye("b", 1), 1.0)
    assert net.stations == ["a"]
    net.handle(b"?", None, 1.0)
    assert net.dropped == {"malformed": 1}


def test_the_silent_are_forgotten_and_get_nothing() -> None:
    net = core()
    net.handle(b"a", Hello("a", 1), 0.0)
    net.handle(b"b", Hello("b", 1), 0.0)
    net.handle(b"a", Packet("a", 1, b"x"), 3.0)
    assert net.silent_s("b", 3.0) == 3.0
    assert list(net.deliver(3.0)) != []
    net.handle(b"a", Packet("a", 1, b"x"), 4.0)
    assert list(net.deliver(4.0)) == []
    net.forget_the_absent(4.0)
    assert net.stations == ["a"]


def test_the_number_of_stations_is_bounded() -> None:
    net = core()
    for index in range(MAX_STATIONS):
        net.handle(b"x", Hello(f"s{index}", index), 0.0)
    [(_, refusal)] = net.handle(b"x", Hello("one more", 99), 0.0)
    assert isinstance(unpack(refusal), Refused)
    while net.prepare():
        pass
    assert net.network.pairs == []
    assert len(net.network._ways) == MAX_STATIONS * (MAX_STATIONS - 1)


def exercise(preset: str, seed: int) -> bytes:
    """Ten stations, packets and control requests at random times: all that comes out, as bytes."""
    net, rng = core(load_channel(preset), seed), random.Random(7)
    names = [f"station {index}" for index in range(10)]
    out, now_s = [], 0.0
    for _ in range(600):
        now_s += rng.uniform(0.0, 0.2)
        name = rng.choice(names)
        chance = rng.random()
        if chance < 0.03:
            figures = b'{"do": "set", "path": "station 1", "figures": {"loss": 0.4, "mean_burst": 2}}'
            out.append(answer(net, figures, now_s, {}))
        elif chance < 0.06:
            out.append(
                answer(net, b'{"do": "%s", "path": "*>station 2"}' % rng.choice([b"cut", b"restore"]), now_s, {})
            )
        else:
            out += [data for _, data in net.handle(name.encode(), Packet(name, 1, rng.randbytes(24)), now_s)]
        if rng.random() < 0.3:
            net.prepare()
        out += [to + data + repr(due_s).encode() for to, data, due_s in net.deliver(now_s)]
        if rng.random() < 0.02:
            net.forget_the_absent(now_s)
    out.append(answer(net, b'{"do": "paths"}', now_s, {}))
    return b"\n".join(out)


@pytest.mark.parametrize("preset", ["lossy-satellite", "acoustic-1km", "iridium-call", "bit-errors-1pct"])
def test_the_same_input_gives_the_same_bytes(preset: str) -> None:
    first = exercise(preset, 3)
    assert len(first) > 10_000
    assert exercise(preset, 3) == first
    assert exercise(preset, 4) != first


def test_other_processes_with_other_hash_seeds_give_the_same_bytes_too() -> None:
    program = (
        "import sys, hashlib, importlib.util as u; s = u.spec_from_file_location('t', sys.argv[1]);"
        "m = u.module_from_spec(s); s.loader.exec_module(m);"
        "sys.stderr.write(hashlib.sha256(m.exercise('lossy-satellite', 3)).hexdigest())"
    )
    digests = set()
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", program, __file__],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(run.stderr[-64:])
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64
