"""Voice messages through whole stations: recorded, sent in the gaps, kept, played; on one simulated clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.audio.base import AudioInput, AudioOutput
from gateway.audio.files import read_audio, write_wav
from gateway.audio.paced import FileInput, FileOutput, NullInput, NullOutput
from gateway.channel.impairments import ChannelSpec
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.control.requests import (
    DeleteMessage,
    PlayMessage,
    PressKey,
    ReleaseKey,
    RetryMessage,
    SendText,
    ToggleKey,
    ToggleRecording,
)
from gateway.errors import LinkError
from gateway.links.base import Link
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import MemoryHub
from gateway.messages.spool import Folder
from gateway.metrics import Metrics
from gateway.protocol.bulk_packets import TYPE_TEXT, voice_type
from gateway.station.mailbox import takes
from tests.station.bench import Bench, run, run_until

RADIO = ChannelSpec("radio", rate_bps=1200, half_duplex=True, turnaround_ms=100, loss=0.1, mtu_bytes=64)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


def links(clock: ManualClock, spec: ChannelSpec = RADIO) -> tuple[Link, Link]:
    hub = MemoryHub(clock)
    a, b = (EmulatedLink(hub.station(name), spec, np.random.default_rng(n), clock) for n, name in enumerate("ab"))
    return a, b


def station(
    codec: Codec,
    clock: ManualClock,
    link: Link,
    number: int,
    folder: Path,
    audio: tuple[AudioInput, AudioOutput] | None = None,
    **messages: object,
) -> Bench:
    """With messages, and overs of 20 s at most."""
    section = {"spool": folder / f"s{number}", "round_trip_s": 0.5, **messages}
    return Bench(codec, clock, link, number, audio=audio, ptt={"time_out_s": 20.0}, messages=section)


SLOW = ChannelSpec("slow", rate_bps=80, overhead_bytes=8, half_duplex=True, turnaround_ms=100, mtu_bytes=64)


def test_on_a_link_too_slow_for_live_voice_the_key_records_and_the_operator_is_told_why(
    small_codec: Codec, clock: ManualClock, speechlike: np.ndarray, tmp_path: Path
) -> None:
    write_wav(tmp_path / "said.wav", [speechlike])
    link_a, link_b = links(clock, SLOW)
    mouth = (FileInput(tmp_path / "said.wav", clock), NullOutput(clock, Metrics()))
    a = station(small_codec, clock, link_a, 1, tmp_path, mouth, to=2)
    b = station(small_codec, clock, link_b, 2, tmp_path)
    run(clock, 0.1, a, b)
    assert a.told("slow is too slow for live voice")
    assert a.told("; what is said is recorded and sent as a message")
    assert a.station.snapshot().link.sending == "recorded messages"
    a.station.post(PressKey("key"))
    run(clock, len(speechlike) / 16_000, a, b)
    assert a.station.snapshot().ptt.mode == "idle"
    a.station.post(ReleaseKey("key"))
    run_until(clock, 300.0, "delivered to bravo", a, a, b)
    (sent,), (received,) = a.spool.entries([Folder.SENT]), b.spool.entries([Folder.INBOX])
    assert received.message.content == sent.message.content
    assert a.metrics.counter("tx.overs") == 0


def test_a_message_is_recorded_sent_announced_and_played(
    small_codec: Codec, clock: ManualClock, speechlike: np.ndarray, tmp_path: Path
) -> None:
    write_wav(tmp_path / "said.wav", [speechlike])
    link_a, link_b = links(clock)
    ears = FileOutput(tmp_path / "heard.wav", clock, Metrics())
    mouth = (FileInput(tmp_path / "said.wav", clock), NullOutput(clock, Metrics()))
    a = station(small_codec, clock, link_a, 1, tmp_path, mouth, to=2)
    b = station(small_codec, clock, link_b, 2, tmp_path, (NullInput(clock), ears))
    a.station.post(ToggleRecording())
    run(clock, len(speechlike) / 16_000, a, b)
    assert a.station.snapshot().ptt.mode == "idle"
    a.station.post(ToggleRecording())
    run_until(clock, 60.0, "delivered to bravo", a, a, b)
    assert b.told("voice message ")
    assert b.told("from alpha: 3.")
    assert a.metrics.counter("tx.overs") == b.metrics.counter("rx.overs") == 0
    (sent,), (received,) = a.spool.entries([Folder.SENT]), b.spool.entries([Folder.INBOX])
    assert received.message.content == sent.message.content
    # Played when asked, and it is the sound that the codec makes of these frames.
    b.station.post(PlayMessage())
    run_until(clock, 1.0, "playing message", b, a, b)
    run(clock, 5.0, a, b)
    ears.close()
    heard = read_audio(tmp_path / "heard.wav")
    content = received.message.content
    assert content is not None
    expected = small_codec.decode(content)
    begin = int(np.argmax(np.abs(heard) > 0))
    peak = np.abs(expected).max()
    assert np.abs(heard).max() == pytest.approx(peak, rel=0.02)
    assert len(heard) - begin >= len(expected) - 1280


def test_the_key_records_where_voice_is_buffered(small_codec: Codec, clock: ManualClock, tmp_path: Path) -> None:
    link_a, link_b = links(clock)
    a = station(small_codec, clock, link_a, 1, tmp_path, voice="buffered")
    b = station(small_codec, clock, link_b, 2, tmp_path)
    for press, release in ((PressKey("key"), ReleaseKey("key")), (ToggleKey("key"), ToggleKey("key"))):
        a.station.post(press)
        run(clock, 2.0, a, b)
        a.station.post(release)
        run(clock, 1.0, a, b)
    assert a.said.count("recording") == 2
    assert sum("to group 1 is in the outbox" in line for line in a.said) == 2
    run_until(clock, 120.0, "delivered to group 1, confirmed by 1", a, a, b)
    assert b.metrics.counter("rx.overs") == 0
    frames = [entry.message.head.content_bytes // 3 for entry in a.spool.entries([Folder.SENT, Folder.OUTBOX])]
    assert all(26 <= n <= 31 for n in frames)  # 2 s and the release time


def test_live_voice_goes_before_messages_on_the_air(small_codec: Codec, clock: ManualClock, tmp_path: Path) -> None:
    link_a, link_b = links(clock)
    a = station(small_codec, clock, link_a, 1, tmp_path, to=2)
    b = station(small_codec, clock, link_b, 2, tmp_path)
    a.station.post(SendText("x" * 2000))
    run_until(clock, 30.0, "25 % received", b, a, b)
    a.station.post(PressKey("key"))
    run(clock, 0.5, a, b)
    before = a.metrics.counter("message.tx_packets")
    run(clock, 5.0, a, b)
    assert b.station.snapshot().ptt.mode == "receiving"
    assert a.metrics.counter("message.tx_packets") == before
    a.station.post(ReleaseKey("key"))
    run_until(clock, 90.0, "delivered to bravo", a, a, b)
    assert b.told("message from alpha: xxx")
    assert b.metrics.counter("rx.overs") == 1


def test_what_is_here_of_a_message_can_be_heard(
    small_codec: Codec, clock: ManualClock, speechlike: np.ndarray, tmp_path: Path
) -> None:
    write_wav(tmp_path / "said.wav", [np.tile(speechlike, 2)])
    link_a, link_b = links(clock)
    mouth = (FileInput(tmp_path / "said.wav", clock), NullOutput(clock, Metrics()))
    a = station(small_codec, clock, link_a, 1, tmp_path, mouth, to=2, packet_bytes=20)
    b = station(small_codec, clock, link_b, 2, tmp_path)
    b.station.post(PlayMessage())
    run(clock, 0.1, b)
    assert b.said == ["no voice message to play"]
    a.station.post(ToggleRecording())
    run(clock, 6.0, a, b)
    a.station.post(ToggleRecording())
    run_until(clock, 30.0, "50 % received", b, a, b)
    b.station.post(PlayMessage())
    run(clock, 0.2, b)
    (line,) = [line for line in b.said if line.startswith("playing message")]
    assert line.endswith("s of it missing")
    run(clock, 7.0, b)
    run_until(clock, 90.0, "delivered to bravo", a, a, b)


def test_a_recording_ends_by_itself_by_talking_and_by_the_end(
    small_codec: Codec, clock: ManualClock, tmp_path: Path
) -> None:
    link_a, link_b = links(clock)
    a = station(small_codec, clock, link_a, 1, tmp_path, to=2)
    link_b.open()
    a.station.post(ToggleRecording())
    run(clock, 21.0, a)
    assert a.told("recording ends: it is as long as one may be")
    a.station.post(ToggleRecording())
    run(clock, 1.0, a)
    a.station.post(PressKey("key"))
    run(clock, 1.0, a)
    assert a.station.snapshot().ptt.mode == "talking"
    a.station.post(ToggleRecording())
    run(clock, 0.1, a)
    assert a.said[-1] == "not recorded: on the air"
    a.station.post(ReleaseKey("key"))
    run(clock, 2.0, a)
    a.station.post(ToggleRecording())
    run(clock, 1.0, a)
    a.station.close()
    assert sum("to bravo is in the outbox" in line for line in a.said) == 3
    assert len(a.spool.entries([Folder.OUTBOX])) == 3
    a.spool.claim()  # the closed station let go of it


def test_without_a_link_a_text_waits_in_the_outbox(small_codec: Codec, clock: ManualClock, tmp_path: Path) -> None:
    link_a, _ = links(clock)
    a = station(small_codec, clock, link_a, 1, tmp_path, to=2)
    a.station._link._lose(LinkError("pulled out"))
    a.station.post(SendText("later"))
    run(clock, 0.1, a)
    assert a.told("to bravo is in the outbox")
    a.station.post(SendText("y" * 70_000))
    run(clock, 0.1, a)
    assert a.told("message not sent: message size")


def test_a_station_without_messages_says_so(small_codec: Codec, clock: ManualClock, tmp_path: Path) -> None:
    link_a, _ = links(clock)
    a = station(small_codec, clock, link_a, 1, tmp_path)
    a.station._mailbox = None
    for request in (ToggleRecording(), PlayMessage()):
        a.station.post(request)
        run(clock, 0.1, a)
        assert a.said[-1] == "no messages here: the station file has no [messages] section"


def test_what_a_codec_takes(small_codec: Codec) -> None:
    of_use = takes(small_codec)
    version = small_codec.spec.codec_version
    assert [of_use(kind) for kind in (TYPE_TEXT, voice_type(1, version))] == [True, True]
    assert [of_use(kind) for kind in (2, voice_type(1, 15), voice_type(2, 1), voice_type(15, 0))] == [False] * 4


def test_short_texts_are_acknowledged_and_repeated_where_both_want_it(
    small_codec: Codec, clock: ManualClock, tmp_path: Path
) -> None:
    spec = ChannelSpec("radio", rate_bps=1200, half_duplex=True, turnaround_ms=100, loss=0.2, mtu_bytes=64)
    link_a, link_b = links(clock, spec)
    a = station(small_codec, clock, link_a, 1, tmp_path, text_acks=True)
    b = station(small_codec, clock, link_b, 2, tmp_path, text_acks=True)
    for number in range(5):
        a.station.post(SendText(f"number {number}"))
        run_until(clock, 120.0, " is at bravo", a, a, b)
        a.said.clear()
    assert [line for line in b.said if "number" in line] == [f"message from alpha: number {n}" for n in range(5)]
    assert a.metrics.counter("message.tx_packets") > 0  # some had to go again


def test_a_text_that_nobody_acknowledges_is_given_up(small_codec: Codec, clock: ManualClock, tmp_path: Path) -> None:
    link_a, link_b = links(clock)
    a = station(small_codec, clock, link_a, 1, tmp_path, text_acks=True)
    b = station(small_codec, clock, link_b, 2, tmp_path)  # does not give any
    a.station.post(SendText("hello"))
    run_until(clock, 200.0, " was not acknowledged", a, a, b)
    assert a.metrics.counter("message.tx_packets") == 4
    assert b.said.count("message from alpha: hello") == 1


def recorded(bench: Bench, clock: ManualClock, seconds: float, *benches: Bench) -> str:
    """Record a message; its id."""
    bench.station.post(ToggleRecording())
    run(clock, seconds, *benches)
    bench.station.post(ToggleRecording())
    run(clock, 1.5, *benches)
    newest = bench.station.snapshot().messages[0]
    assert newest.id is not None
    return newest.id


def test_messages_are_shown_with_how_far_they_are_and_played_by_id(
    small_codec: Codec, clock: ManualClock, speechlike: np.ndarray, tmp_path: Path
) -> None:
    write_wav(tmp_path / "said.wav", [speechlike])
    link_a, link_b = links(clock)
    mouth = (FileInput(tmp_path / "said.wav", clock), NullOutput(clock, Metrics()))
    a = station(small_codec, clock, link_a, 1, tmp_path, mouth, to=2)
    ear = FileOutput(tmp_path / "ear.wav", clock, Metrics())
    b = station(small_codec, clock, link_b, 2, tmp_path, (NullInput(clock), ear))
    first = recorded(a, clock, 2.0, a, b)
    (view,) = a.station.snapshot().messages
    assert (view.kind, view.direction, view.peer, view.state) == ("voice", "out", "bravo", "outbox")
    assert view.duration_s == pytest.approx(2.2, abs=0.2)
    run_until(clock, 300.0, "delivered to bravo", a, a, b)
    a.station.post(SendText("where are you?", 2))
    run_until(clock, 300.0, "message from alpha: where are you?", b, a, b)
    a.said.clear()
    run_until(clock, 300.0, "delivered to bravo", a, a, b)
    run(clock, 1.1, a, b)
    text, voice = b.station.snapshot().messages
    assert (text.kind, text.direction, text.peer, text.text, text.state) == (
        "text",
        "in",
        "alpha",
        "where are you?",
        "inbox",
    )
    assert (voice.id, voice.direction, voice.share, voice.state) == (first, "in", 1.0, "inbox")
    assert [(one.state, one.share) for one in a.station.snapshot().messages] == [("sent", 1.0), ("sent", 1.0)]
    b.station.post(PlayMessage(first))
    run(clock, 4.0, b)
    ear.close()
    assert np.abs(read_audio(tmp_path / "ear.wav")).max() > 0
    assert b.told(f"playing message {first} from alpha, 2.")
    b.station.post(PlayMessage(text.id))
    b.station.post(PlayMessage("ffff"))
    run(clock, 0.1, b)
    assert b.told(f"message {text.id}: where are you?")
    assert b.told("message ffff: nothing to play")


def test_a_message_that_failed_is_sent_again_and_one_that_is_dropped_goes(
    small_codec: Codec, clock: ManualClock, tmp_path: Path
) -> None:
    link_a, _ = links(clock)
    a = station(small_codec, clock, link_a, 1, tmp_path, to=2, give_up_s=60)
    number = recorded(a, clock, 1.0, a)
    a.station.post(RetryMessage(number))
    run(clock, 0.1, a)
    assert a.told(f"message {number} is on its way")
    run_until(clock, 2000.0, "not delivered: no answer from bravo", a, a)
    run(clock, 1.1, a)
    assert [view.state for view in a.station.snapshot().messages] == ["failed"]
    a.station.post(RetryMessage(number))
    run(clock, 1.2, a)
    assert a.told(f"message {number} to bravo is in the outbox again")
    assert [view.state for view in a.station.snapshot().messages] == ["outbox"]
    a.station.post(DeleteMessage(number))
    a.station.post(DeleteMessage(number))
    a.station.post(RetryMessage(number))
    run(clock, 1.2, a)
    assert a.told(f"message {number} deleted")
    assert a.told(f"message {number} not deleted: there is none")
    assert a.told(f"message {number} not sent again: none of those that failed")
    assert a.station.snapshot().messages == ()
    sent = a.metrics.counter("message.tx_packets")
    run(clock, 30.0, a)
    assert a.metrics.counter("message.tx_packets") == sent


def test_a_message_dropped_while_it_arrives_is_refused(
    small_codec: Codec, clock: ManualClock, speechlike: np.ndarray, tmp_path: Path
) -> None:
    write_wav(tmp_path / "said.wav", [np.tile(speechlike, 4)])
    link_a, link_b = links(clock, SLOW)
    mouth = (FileInput(tmp_path / "said.wav", clock), NullOutput(clock, Metrics()))
    a = station(small_codec, clock, link_a, 1, tmp_path, mouth, to=2)
    b = station(small_codec, clock, link_b, 2, tmp_path)
    number = recorded(a, clock, 8.0, a, b)
    run_until(clock, 300.0, f"message {number}: 25 % received", b, a, b)
    run(clock, 1.1, a, b)
    (view,) = b.station.snapshot().messages
    assert (view.state, view.direction) == ("partial", "in")
    assert 0.2 < view.share < 0.6
    b.station.post(DeleteMessage(number))
    run_until(clock, 300.0, f"message {number}: bravo refused, unwanted", a, a, b)
    assert b.spool.entries() == []
