"""Messages from one spool to another over bad links, through restarts: in simulated time, on real files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.channel.impairments import ChannelSpec
from gateway.messages.disk import RealDisk
from gateway.messages.faults import Crash, FaultyDisk
from gateway.messages.files import local_head
from gateway.messages.pace import Pace
from gateway.messages.spool import Folder, Spool
from gateway.protocol.bulk_airtime import message_airtime
from gateway.protocol.bulk_packets import (
    TYPE_TEXT,
    Addressee,
    Message,
    MessageBlock,
    MessageHead,
    MessageOffer,
    MessageStatus,
    StatusState,
    Wanted,
    parse_message,
    voice_type,
)
from gateway.protocol.carriage import Carriage
from gateway.protocol.packets import MessagePacket
from gateway.protocol.parse import Dropped
from tests.messages.posts import NUMBERS, Air, Post, radio, two

TEXT = "Meet at the north buoy at 14:20. " * 4
VOICE = random.Random(6).randbytes(225)  # 6 s


def test_a_link_whose_figures_come_late_is_used_by_them_from_then_on(tmp_path: Path) -> None:
    a = Post(tmp_path / "a", "alpha", 80)
    a.queue(VOICE, kind=voice_type(1, 1))
    first = a.service.next(0.0, voice_is_live=False)
    assert isinstance(first, MessagePacket)
    fast = Pace.of(a.section, mtu_bytes=256, rate_bps=4800, carriage=Carriage(2), overhead_bytes=0, turnaround_s=0.0)
    a.service.use_pace(fast)
    sizes = []
    for now_s in (10.0, 20.0):
        packet = a.service.next(now_s, voice_is_live=False)
        if packet is not None:
            assert isinstance(packet, MessagePacket)
            offer = parse_message(packet)
            assert isinstance(offer, MessageOffer)
            sizes.append(offer.head.block_bytes)
    assert sizes
    assert set(sizes) == {243}
    a.service.use_pace(fast)  # the same again disturbs nothing
    assert a.service.next(20.1, voice_is_live=False) is None


@pytest.mark.parametrize("seed", range(4))
def test_voice_and_text_over_80_bps_with_30_percent_loss_and_two_restarts(tmp_path: Path, seed: int) -> None:
    a, b = two(tmp_path, 80)
    air = Air(radio(80, 0.3), [a, b], seed)
    a.queue(VOICE, kind=voice_type(1, 1), number=1)
    a.queue(TEXT.encode(), number=2)
    air.run_until("50 % received", b, 1000)
    partial = b.folder / "partial" / "0001-00000001.msg"
    with partial.open("ab") as file:
        file.write(b"torn record")
    b.start()
    assert any("was torn" in line for line in b.said)
    air.run_until("voice message 00000001 from alpha: 6.0 s", b, 2000)
    # Whole over there, and nothing of that has been heard here yet.
    assert not any("delivered to" in line for line in a.said)
    a.start()
    for number in (1, 2):
        air.run_until(f"message 0000000{number} delivered to bravo", a, 4000)
    assert sorted(b.contents(), key=str) == sorted([VOICE, TEXT.encode()], key=str)
    assert b.said.count(f"message from alpha: {TEXT}") == 1
    assert a.contents(Folder.OUTBOX) == []
    assert len(a.contents(Folder.SENT)) == 2
    assert b.contents(Folder.PARTIAL) == []


def test_even_10_bps_carries_a_message(tmp_path: Path) -> None:
    a, b = two(tmp_path, 10)
    air = Air(radio(10, 0.2), [a, b])
    a.queue(VOICE, kind=voice_type(1, 1))
    air.run_until("delivered to bravo", a, 4000)
    assert b.contents() == [VOICE]


def test_the_smallest_mtu_carries_a_message(tmp_path: Path) -> None:
    a, b = two(tmp_path, 80, packet_bytes=18)  # 16 and the checksum
    air = Air(radio(80, 0.3), [a, b])
    a.queue(VOICE, kind=voice_type(1, 1))
    air.run_until("delivered to bravo", a, 4000)
    assert b.contents() == [VOICE]


def test_losses_in_long_bursts_delay_copies_and_exchanged_packets_do_no_harm(tmp_path: Path) -> None:
    spec = ChannelSpec(
        "bad", rate_bps=300, loss=0.3, mean_burst=8, delay_ms=700, jitter_ms=300, ordered=False, duplicate=0.3,
        reorder=0.3, reorder_ms=4000,
    )  # fmt: skip
    a, b = two(tmp_path, 300, round_trip_s=4.0)
    air = Air(spec, [a, b], seed=5)
    for number in (1, 2, 3):
        a.queue(VOICE + bytes([number]), kind=voice_type(1, 1), number=number)
    for number in (1, 2, 3):
        air.run_until(f"0000000{number} delivered", a, 4000)
    assert sorted(b.contents(), key=str) == sorted((VOICE + bytes([n]) for n in (1, 2, 3)), key=str)


def test_a_message_sent_twice_is_shown_once(tmp_path: Path) -> None:
    a, b = two(tmp_path, 2400)
    air = Air(radio(2400, 0.0), [a, b])
    for _ in range(2):
        a.queue(b"once", number=5)
        air.run_until("delivered", a, 60)
        a.said.clear()
    b.spool.delete(b.spool.entries([Folder.INBOX])[0])
    b.start()
    a.queue(b"once", number=5)
    air.run_until("delivered", a, 60)
    assert b.said.count("message from alpha: once") == 1
    assert b.contents() == []


def test_the_estimate_is_near_what_it_takes(tmp_path: Path) -> None:
    for loss, tolerance in ((0.0, 0.25), (0.3, 0.5)):
        taken = []
        for seed in range(6):
            a, b = two(tmp_path / f"{loss}-{seed}", 80)
            air = Air(radio(80, loss), [a, b], seed)
            a.queue(VOICE, kind=voice_type(1, 1))
            taken.append(air.run_until("voice message", b, 2000))
        estimate = message_airtime(225, rate_bps=80, mtu_bytes=20, extra_bytes=2, turnaround_s=0.2, loss=loss)
        assert sum(taken) / len(taken) == pytest.approx(estimate.seconds, rel=tolerance), loss


def test_clock_jumps_cost_nothing(tmp_path: Path) -> None:
    """A suspended machine: hours pass between two steps, on one side's clock and on both."""
    a, b = two(tmp_path, 80)
    air = Air(radio(80, 0.2), [a, b], start_s=1e6)
    a.queue(VOICE, kind=voice_type(1, 1))
    for _ in range(3):
        air.run(15.0)
        air.clock.sleep(50_000.0)
    air.run_until("delivered to bravo", a, 3000)
    assert b.contents() == [VOICE]
    # The next run's monotonic clock starts anew, below where it was.
    a.start()
    b.start()
    back = Air(radio(80, 0.2), [a, b])
    a.queue(TEXT.encode(), number=2)
    back.run_until("00000002 delivered", a, 3000)


@pytest.mark.parametrize(
    ("knows", "why", "most_packets"),
    [
        (True, "the disk has no room for its 864 bytes", 15),
        (False, "cannot write to the spool: No space left on device", 250),
    ],
)
def test_a_full_disk_makes_a_message_wait_and_says_so_once(
    tmp_path: Path, knows: bool, why: str, most_packets: int
) -> None:
    disk = FaultyDisk()
    a = Post(tmp_path / "a", "alpha", 80)
    b = Post(tmp_path / "b", "bravo", 80, disk)
    air = Air(radio(80, 0.1), [a, b])
    disk.room, disk.knows_room = 200, knows
    a.queue(VOICE, kind=voice_type(1, 1))
    air.run(3000)
    assert [line for line in b.said if "has to wait" in line] == [f"message 0000abcd has to wait: {why}"]
    assert a.contents(Folder.OUTBOX) == [VOICE]
    assert a.metrics.counter("message.tx_packets") < most_packets
    disk.room = None
    air.run_until("delivered to bravo", a, 3000)
    assert b.contents() == [VOICE]


def test_live_voice_goes_first(tmp_path: Path) -> None:
    a, b = two(tmp_path, 80)
    air = Air(radio(80, 0.0), [a, b])
    a.queue(VOICE, kind=voice_type(1, 1))
    air.run(20)
    air.voice = True
    air.run(5)  # the packet that was under way
    sent = a.metrics.counter("message.tx_packets") + b.metrics.counter("message.tx_packets")
    air.run(100)
    assert a.metrics.counter("message.tx_packets") + b.metrics.counter("message.tx_packets") == sent > 3
    air.voice = False
    air.run_until("delivered to bravo", a, 300)


def test_both_directions_share_one_channel(tmp_path: Path) -> None:
    a, b = two(tmp_path, 80)
    air = Air(radio(80, 0.1), [a, b], seed=3)
    a.queue(VOICE, kind=voice_type(1, 1))
    b.queue(TEXT.encode(), to=1)
    air.run_until("delivered to bravo", a, 3000)
    air.run_until("delivered to alpha", b, 3000)
    assert (b.contents(), a.contents()) == ([VOICE], [TEXT.encode()])


def test_all_members_of_a_group_get_it(tmp_path: Path) -> None:
    posts = [Post(tmp_path / name, name, 80) for name in NUMBERS]
    air = Air(radio(80, 0.2), posts, seed=2)
    posts[0].queue(VOICE, to=None, kind=voice_type(1, 1))
    air.run_until("delivered to group 7", posts[0], 4000)
    assert [post.contents() for post in posts] == [[], [VOICE], [VOICE]]


def test_nobody_there_is_given_up_kept_and_sent_later(tmp_path: Path) -> None:
    a, b = two(tmp_path, 300, give_up_s=600)
    deaf = Air(radio(300, 1.0), [a, b])
    a.queue(TEXT.encode())
    deaf.run_until("not delivered: no answer from bravo for 10 min; kept", a, 2000)
    assert a.metrics.counter("message.tx_packets") < 20
    (entry,) = a.spool.entries([Folder.FAILED])
    a.spool.move(entry, Folder.OUTBOX)
    air = Air(radio(300, 0.0), [a, b], start_s=deaf.clock.now())
    air.run_until("delivered to bravo", a, 100)


def test_what_the_other_cannot_use_is_refused(tmp_path: Path) -> None:
    a, b = two(tmp_path, 300)
    air = Air(radio(300, 0.0), [a, b])
    a.queue(VOICE, kind=voice_type(2, 1))
    air.run_until("bravo refused, type", a, 100)
    a.queue(b"\x1b[2J", number=2)  # a terminal's command is no text
    air.run_until("00000002: bravo refused, type", a, 100)
    assert b.contents() == []
    assert len(a.contents(Folder.FAILED)) == 2


def test_the_command_line_takes_messages_away_under_way(tmp_path: Path) -> None:
    a, b = two(tmp_path, 80)
    air = Air(radio(80, 0.0), [a, b])
    a.queue(VOICE, kind=voice_type(1, 1))
    air.run_until("25 % received", b, 200)
    tool = Spool(b.folder, RealDisk(), max_bytes=1_000_000, wall_s=lambda: 0.0)
    tool.delete(tool.entries([Folder.PARTIAL])[0])
    air.run_until("bravo refused, unwanted", a, 300)
    b.start()
    assert b.contents(Folder.PARTIAL) == []
    a.queue(VOICE, kind=voice_type(1, 1), number=2)
    air.run(30)
    tool = Spool(a.folder, RealDisk(), max_bytes=1_000_000, wall_s=lambda: 0.0)
    tool.delete(tool.entries([Folder.OUTBOX])[0])
    air.run(10)
    sent = a.metrics.counter("message.tx_packets")
    air.run(100)
    assert a.metrics.counter("message.tx_packets") == sent


def test_damaged_files_in_the_outbox_are_set_aside(tmp_path: Path) -> None:
    a, _ = two(tmp_path, 80)
    a.queue(VOICE)
    path = a.folder / "outbox" / "0001-0000abcd.msg"
    path.write_bytes(path.read_bytes()[:-1])
    (a.folder / "outbox" / "0001-00000001.msg").write_bytes(b"no message at all")
    a.service.next(0.0, voice_is_live=False)
    assert sum("moved to damaged" in line for line in a.said) == 2
    assert a.spool.names(Folder.OUTBOX) == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([5, 6]), st.binary(max_size=60)), max_size=30), st.integers(0, 1 << 30))
def test_random_packets_are_harmless(tmp_path: Path, bodies: list[tuple[int, bytes]], seed: int) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    b = Post(folder, "bravo", 80)
    b.queue(VOICE, to=1, kind=voice_type(1, 1))
    rng = random.Random(seed)
    heads = [
        MessageHead(rng.getrandbits(2), rng.randrange(3), rng.choice(list(Addressee)), rng.randrange(8), 17, 40, 9)
        for _ in range(5)
    ]
    lists = (Wanted(0, (rng.randrange(255),), onwards=True), Wanted(rng.randrange(3), (1, 7)))
    forged: list[Message] = [MessageOffer(head, rng.random() < 0.5) for head in heads]
    forged += [MessageBlock(rng.getrandbits(2), 0, rng.randrange(255), rng.randbytes(9)) for _ in range(40)]
    forged += [MessageStatus(0xABCD, 1, StatusState.WANTING, lists), MessageStatus(0xABCD, 1, StatusState.PAUSED)]
    random_ones = [parse_message(MessagePacket(kind, body)) for kind, body in bodies]
    messages = [*forged, *(message for message in random_ones if not isinstance(message, Dropped))]
    rng.shuffle(messages)
    for now, message in enumerate(messages):
        b.service.on_message(message, float(now))
        b.service.next(float(now), voice_is_live=rng.random() < 0.2)
    assert not any("voice message" in line for line in b.said)
    b.disk.close()


@pytest.mark.parametrize("side", ["alpha", "bravo"])
def test_a_crash_at_any_step_on_either_side_loses_nothing(tmp_path: Path, side: str) -> None:
    """The program dies in the middle of a step on the disk, starts again, and the message arrives once and exactly."""
    for crash_at in range(0, 400, 3):
        disk = FaultyDisk()
        disks = {name: disk if name == side else RealDisk() for name in ("alpha", "bravo")}
        root = tmp_path / str(crash_at)
        a, b = (Post(root / name, name, 2400, disks[name], packet_bytes=30) for name in ("alpha", "bravo"))
        air = Air(radio(2400, 0.0), [a, b], crash_at)
        a.queue(VOICE, kind=voice_type(1, 1))
        disk.crash_at = disk.steps + crash_at
        crashed = False
        began = air.clock.now()
        while not a.contents(Folder.SENT):
            assert air.clock.now() < began + 1500, (crash_at, a.said, b.said)
            try:
                air.step()
            except Crash:
                crashed = True
                disk.crash_at = None
                {"alpha": a, "bravo": b}[side].start()
        assert b.contents() == [VOICE], crash_at
        assert sum("voice message" in line for line in b.said) <= 1
        for post in (a, b):
            post.disk.close()
        if not crashed:
            assert crash_at > 5
            return
    raise AssertionError("more steps than thought")


class DiaryDisk(RealDisk):
    """Knows whether anything appended is not synced yet."""

    unsynced = False

    def append(self, path: Path, data: bytes) -> None:
        self.unsynced = True
        super().append(path, data)

    def sync(self, path: Path) -> None:
        self.unsynced = False
        super().sync(path)


def test_what_an_answer_says_is_held_is_on_the_disk_before(tmp_path: Path) -> None:
    disk = DiaryDisk()
    a, b = Post(tmp_path / "a", "alpha", 80), Post(tmp_path / "b", "bravo", 80, disk)
    air = Air(radio(80, 0.5), [a, b])
    a.queue(VOICE, kind=voice_type(1, 1))
    answers = unsynced = 0
    while not a.contents(Folder.SENT):
        before = b.metrics.counter("message.tx_packets")
        unsynced += disk.unsynced
        air.step()
        if b.metrics.counter("message.tx_packets") > before:
            answers += 1
            assert not disk.unsynced
    assert answers > 2
    assert unsynced > 0


def test_an_answer_that_cannot_be_made_safe_is_not_given(tmp_path: Path) -> None:
    a, b = two(tmp_path, 80)
    air = Air(radio(80, 0.0), [a, b])
    a.queue(VOICE, kind=voice_type(1, 1))
    air.run_until("50 % received", b, 200)

    def fails(path: Path) -> None:
        raise OSError(5, "Input/output error")

    b.disk.sync = fails  # type: ignore[method-assign]
    head = local_head(1, 1, Addressee.STATION, 2, TYPE_TEXT, b"x" * 500)
    b.service.on_message(MessageOffer(head, answer_wanted=True), air.clock.now())
    for _ in range(100):
        air.step()
    assert any("has to wait: cannot write to the spool: Input/output error" in line for line in b.said)


def test_a_station_starts_on_a_full_disk(tmp_path: Path) -> None:
    disk = FaultyDisk()
    a, b = Post(tmp_path / "a", "alpha", 2400), Post(tmp_path / "b", "bravo", 2400, disk)
    air = Air(radio(2400, 0.0), [a, b])
    a.queue(VOICE, kind=voice_type(1, 1))
    air.run_until("delivered", a, 100)
    (b.folder / "seen").unlink()  # as if the crash came before it was written
    disk.room = 0
    b.start()
    a.start()
    a.queue(VOICE, kind=voice_type(1, 1))
    a.said.clear()
    air.run_until("delivered", a, 100)
    assert sum("voice message" in line for line in b.said) == 1
    assert b.contents() == [VOICE]


def test_messages_are_sent_in_the_order_in_which_they_were_given(tmp_path: Path) -> None:
    a, b = two(tmp_path, 2400)
    air = Air(radio(2400, 0.0), [a, b])
    for number in (5, 2, 9):
        a.queue(str(number).encode(), number=number)
    air.run(60)
    assert [line for line in b.said if line.startswith("message from")] == [
        f"message from alpha: {n}" for n in (5, 2, 9)
    ]
