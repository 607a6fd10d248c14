"""Security as a station has it: from its configuration, and between a transmitter and a receiver under attack."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gateway.codec import Codec
from gateway.config import CurveSection, PeersCurveSection, StationConfig
from gateway.errors import ConfigError, SecurityError
from gateway.heard_over import Played
from gateway.keys import CurvePair, add_key, load_keys, make_keys, save_curve, use_key
from gateway.links.sockets import curve_keypair
from gateway.metrics import Metrics
from gateway.notices import Notice, PacketsRefused, TextReceived
from gateway.protocol.opening import Opener
from gateway.protocol.packets import TextPacket
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import NetKey, SecurityMode, Suite
from gateway.receive import Receiver
from gateway.station.secured import NOT_SECURED, ForgetfulState, open_curve, open_security
from gateway.transmit import Transmitter

ENCRYPT = Suite(SecurityMode.AUTHENTICATE_ENCRYPT)
KEY, OTHER_KEY = NetKey(1, bytes(32)), NetKey(1, b"other".ljust(32))
PACKET_S = 0.48
PEERS = {"kind": "zeromq-peers", "bind": "tcp://127.0.0.1:5999"}


def no_warning(line: str) -> None:
    raise AssertionError(line)


def config(folder: Path, number: int = 1, link: dict[str, object] = PEERS, **security: object) -> StationConfig:
    section = {"mode": "authenticate-encrypt", "key_file": folder / "net.key", **security}
    return StationConfig.model_validate(
        {"station": {"name": "x", "id": number}, "link": link, "security": section}, strict=False
    )


def station(codec: Codec, source: int, key: NetKey | None, crc: bool = False) -> tuple[Transmitter, Receiver, Metrics]:
    """Both halves of a station; None: without security."""
    metrics, state, salts = Metrics(), ForgetfulState(), random.Random(source)
    sealer = key and Sealer(ENCRYPT, key, source=source, counters=state, random_bytes=salts.randbytes)
    opener = key and Opener(ENCRYPT, {key.key_id: key}, state, packet_s=PACKET_S, hold_s=0.06, own_source=source)
    sends = Transmitter(
        codec,
        source=source,
        group=1,
        frames_per_packet=6,
        crc=crc,
        rng=random.Random(1),
        metrics=metrics,
        sealer=sealer,
    )
    hears = Receiver(codec, frames_per_packet=6, crc=crc, cushion_s=0.06, cap_s=1.5, metrics=metrics, opener=opener)
    return sends, hears, metrics


def listen(
    receiver: Receiver, packets: list[bytes], attack: Callable[[int], list[bytes]] | None = None
) -> tuple[list[tuple[float, Played]], list[Notice]]:
    """What is played when, with a packet every 480 ms and, in each of the ticks of 10 ms, what an attacker sends."""
    played, notices, next_play = list[tuple[float, Played]](), list[Notice](), 0.0
    for tick in range(int(100 * PACKET_S * len(packets)) + 300):
        now = tick / 100
        if attack is not None:
            for forged in attack(tick):
                notices += receiver.on_packet(forged, now)
        if tick % 48 == 0 and tick // 48 < len(packets):
            notices += receiver.on_packet(packets[tick // 48], now)
        if now >= next_play - 1e-9:
            step, told = receiver.play(now)
            notices += told
            if step is not None:
                played.append((now, step))
                next_play = max(next_play, now - 0.01) + 0.08
            else:
                next_play = now
    return played, notices


def over(sender: Transmitter, pcm: np.ndarray) -> list[bytes]:
    sender.start()
    return sender.push(pcm) + sender.finish()


@pytest.mark.parametrize("crc", [False, True])
def test_secured_speech_is_heard_as_plain_speech_is(small_codec: Codec, speechlike: np.ndarray, crc: bool) -> None:
    plain = listen(station(small_codec, 2, None, crc)[1], over(station(small_codec, 1, None, crc)[0], speechlike))
    sealed_packets = over(station(small_codec, 1, KEY, crc)[0], speechlike)
    sealed = listen(station(small_codec, 2, KEY, crc)[1], sealed_packets)
    assert len(plain[0]) == len(sealed[0]) > 30
    for (at_one, one), (at_two, two) in zip(plain[0], sealed[0], strict=True):
        assert at_one == at_two
        assert np.array_equal(one.pcm, two.pcm)
    assert plain[1] == sealed[1]


def test_an_attack_moves_neither_sound_nor_delay_nor_counters_of_the_over(
    small_codec: Codec, speechlike: np.ndarray
) -> None:
    """Forgeries, replays of the over itself and of one before, foreign nets, noise: ten of them every 10 ms."""
    sender = station(small_codec, 1, KEY)[0]
    earlier, packets = over(sender, speechlike), over(sender, speechlike)
    foreign = over(station(small_codec, 1, OTHER_KEY)[0], speechlike)
    rng = random.Random(3)

    def attack(tick: int) -> list[bytes]:
        sent = packets[: -(-tick // 48)]
        forged = [bytearray(rng.choice(packets)) for _ in range(3)]
        for packet in forged:
            packet[rng.randrange(len(packet))] ^= 1 << rng.randrange(8)
        noise = [rng.randbytes(rng.randrange(60)) for _ in range(3)]
        again = [rng.choice(earlier), rng.choice(foreign), *([rng.choice(sent)] if sent else [])]
        return [*map(bytes, forged), *noise, *again]

    def run(attacked: bool) -> tuple[list[tuple[float, Played]], list[Notice], Metrics]:
        _, receiver, metrics = station(small_codec, 2, KEY)
        for turn, packet in enumerate(earlier):
            receiver.on_packet(packet, turn * PACKET_S - 100)
        while receiver.play(-90.0)[0] is not None:
            pass
        return (*listen(receiver, packets, attack if attacked else None), metrics)

    quiet, told, counts = run(False)
    loud, told_under_attack, counts_under_attack = run(True)
    assert [(at, step.frame_index, step.concealed) for at, step in quiet] == [
        (at, step.frame_index, step.concealed) for at, step in loud
    ]
    assert all(np.array_equal(one.pcm, two.pcm) for (_, one), (_, two) in zip(quiet, loud, strict=True))
    alarms = [notice for notice in told_under_attack if isinstance(notice, PacketsRefused)]
    assert [notice for notice in told_under_attack if notice not in alarms] == told
    assert len(alarms) == 1  # not one per packet
    changed = {
        name for name, value in counts_under_attack.snapshot().items() if value != counts.snapshot().get(name, 0)
    }
    assert changed == {"rx.packets"} | {name for name in changed if name.startswith("rx.dropped.")}
    for name in ("bad_tag", "replayed", "duplicate", "no_session", "wrong_version", "too_short", "unknown_key"):
        assert counts_under_attack.counter(f"rx.dropped.{name}") > 0, name


def test_a_station_with_the_wrong_key_hears_nothing(small_codec: Codec, speechlike: np.ndarray) -> None:
    _, receiver, metrics = station(small_codec, 2, OTHER_KEY)
    played, notices = listen(receiver, over(station(small_codec, 1, KEY)[0], speechlike))
    assert played == []
    assert notices == [PacketsRefused({"bad_tag": 1})]
    assert metrics.counter("rx.overs") == 0


def test_plain_and_secured_stations_do_not_hear_each_other(small_codec: Codec, speechlike: np.ndarray) -> None:
    secured, plain = station(small_codec, 1, KEY), station(small_codec, 2, None)
    assert listen(secured[1], over(plain[0], speechlike))[0] == []
    assert listen(plain[1], over(secured[0], speechlike))[0] == []


def test_text_is_sealed_too(small_codec: Codec) -> None:
    sender, receiver = station(small_codec, 1, KEY)[0], station(small_codec, 2, KEY)[1]
    text = TextPacket(1, 1, 0, 0, True, False, "hello")
    sealed = sender.on_air(text)
    assert b"hello" not in sealed
    assert len(sealed) == len(text.to_bytes(False)) + 16 == sender.carriage.link_bytes(len(text.to_bytes(False)))
    (notice,) = receiver.on_packet(sealed, 0.0)
    assert isinstance(notice, TextReceived)
    assert notice.message.text == "hello"
    assert receiver.on_packet(sealed, 0.1) == []


# --- from a configuration ---


def test_off_costs_nothing_and_is_said() -> None:
    secured = open_security(
        StationConfig.model_validate({"station": {"name": "x", "id": 0}, "link": {"kind": "memory"}}), no_warning
    )
    assert secured is NOT_SECURED
    assert (secured.sealer, secured.opener) == (None, None)
    assert "anybody can hear this net" in secured.told
    secured.close()


def test_keys_and_state_come_from_files_and_survive(tmp_path: Path, small_codec: Codec) -> None:
    keys = make_keys(tmp_path / "net.key")
    counters = []
    for _ in range(2):
        one, two = (open_security(config(tmp_path, number), no_warning) for number in (1, 2))
        assert one.sealer is not None
        assert two.opener is not None
        assert f"sending with key {keys.sends.key_id}" in one.told
        sealed = one.sealer.seal(TextPacket(1, 1, 0, 0, True, False, "hello").to_bytes(False))
        assert two.opener.open(sealed, 0.0).packets
        counters.append(sealed[6:10])
        one.close()
        two.close()
    assert counters[0] < counters[1]
    three = open_security(config(tmp_path, 2), no_warning)
    assert three.opener is not None
    assert not three.opener.open(sealed, 0.0).packets  # remembered across the restart
    three.close()
    assert (tmp_path / "net.key.station-1.state").is_file()


def test_stations_of_a_net_that_rolls_over_hear_each_other(tmp_path: Path) -> None:
    path = tmp_path / "net.key"
    make_keys(path)
    new = add_key(path)
    before = open_security(config(tmp_path, 1), no_warning)
    use_key(path, new.key_id)
    after = open_security(config(tmp_path, 2), no_warning)
    text = TextPacket(1, 1, 0, 0, True, False, "hello").to_bytes(False)
    for one, two in ((before, after), (after, before)):
        assert one.sealer is not None
        assert two.opener is not None
        assert two.opener.open(one.sealer.seal(text), 0.0).packets == (text,)
    before.close()
    after.close()


def test_a_parrot_is_heard_with_security(tmp_path: Path) -> None:
    make_keys(tmp_path / "net.key")
    secured = open_security(config(tmp_path, link={"kind": "memory"}), no_warning)
    assert secured.sealer is not None
    assert secured.opener is not None
    text = TextPacket(1, 1, 0, 0, True, False, "hello").to_bytes(False)
    assert secured.opener.open(secured.sealer.seal(text), 0.0).packets == (text,)
    secured.close()


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match="no such key file"):
        open_security(config(tmp_path), no_warning)
    make_keys(tmp_path / "net.key")
    first = open_security(config(tmp_path), no_warning)
    with pytest.raises(SecurityError, match="in use by another station"):
        open_security(config(tmp_path), no_warning)
    first.close()
    elsewhere = open_security(config(tmp_path, state_file=tmp_path / "mine.state"), no_warning)
    assert (tmp_path / "mine.state").is_file()
    elsewhere.close()
    long = StationConfig.model_validate(
        {
            **config(tmp_path).model_dump(),
            "packets": {"frames_per_packet": 1},
            "ptt": {"time_out_s": 3600.0},
        },
        strict=False,
    )
    with pytest.raises(ConfigError, match="time_out_s 3600 is too long with security"):
        open_security(long, no_warning)
    assert load_keys(tmp_path / "net.key").sends


def test_curve_keys_come_from_files(tmp_path: Path) -> None:
    own, peer, guest, listed = (CurvePair(*curve_keypair()) for _ in range(4))
    save_curve(tmp_path / "own.curve", own)
    (tmp_path / "allowed").mkdir()
    save_curve(tmp_path / "allowed" / "guest.curve", guest)
    section = PeersCurveSection(
        secret_key=tmp_path / "own.curve",
        allow=(listed.public,),
        allow_folder=tmp_path / "allowed",
        peer_keys=(peer.public,),
    )
    curve = open_curve(section)
    assert curve is not None
    assert (curve.public, curve.secret, curve.server_keys) == (own.public, own.secret, (peer.public,))
    assert curve.allowed == {guest.public, listed.public, peer.public}
    alone = open_curve(CurveSection(secret_key=tmp_path / "own.curve"))
    assert alone is not None
    assert alone.allowed == frozenset()
    assert open_curve(None) is None
