"""Attacks on the receiver: whatever is changed, mixed, repeated or made up, nothing is opened and nothing changes."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.opening import FORGET_S, TELL_EVERY_S, Opened, Opener, Refusal
from gateway.protocol.packets import AckPacket, TextPacket
from gateway.protocol.security import NetKey, SecurityMode, Suite, Use
from tests.protocol.sealed import ENCRYPT, KEYS, PACKET_S, SOURCE, State, opener, plain_over, sealed_over, sealer

FORGERIES = int(os.environ.get("CLARILINK_FORGERIES", 2**16))
SUITES = [Suite(mode, tag) for mode in SecurityMode for tag in (3, 4)]
PARITY = bytes((0x60, 0, 3)) + bytes(range(30))
TEXT = TextPacket(SOURCE, 1, 0, 0, True, False, "Moved to channel two.").to_bytes(False)
ACK = AckPacket(SOURCE, 6, 0, 0).to_bytes(False)


def every_form(suite: Suite) -> tuple[list[bytes], list[bytes]]:
    """Packets that open an over, and then one of each form that follows it: plain, block, end, aside, alone."""
    seals = sealer(suite)
    seals.begin_over()
    plain = plain_over(4)
    first, second = seals.seal(plain[0]), seals.seal(plain[1])
    aside = seals.seal(PARITY)
    third, end = seals.seal(plain[2]), seals.seal(plain[3])
    return [first], [second, aside, third, end, seals.seal(TEXT), seals.seal(ACK)]


def ready(opens: Opener, first: list[bytes]) -> Opener:
    for packet in first:
        assert opens.open(packet, 0.0).packets
    return opens


def refusal(opened: Opened) -> Refusal:
    assert opened.packets == ()
    (reason,) = opened.refused
    return reason


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_what_is_sealed_is_opened(suite: Suite) -> None:
    seals, opens = sealer(suite), opener(suite)
    for over_id in (3, 4, 31, 0):
        seals.begin_over()
        for turn, plain in enumerate(plain_over(200, over_id)):
            for packet in (plain, PARITY, TEXT):
                assert opens.open(seals.seal(packet), turn * PACKET_S) == Opened((packet,))


# --- changed packets ---


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_no_bit_can_be_flipped(suite: Suite) -> None:
    first, others = every_form(suite)
    opens, memory = opener(suite, memory := State()), memory
    ready(opens, first)
    before = dict(memory.heard)
    for packet in others + first:
        for bit in range(8 * len(packet)):
            changed = bytearray(packet)
            changed[bit // 8] ^= 1 << bit % 8
            refusal(opens.open(bytes(changed), 0.1))
    assert memory.heard == before
    for packet in others:
        assert len(opens.open(packet, 0.1).packets) == 1  # the true ones are as welcome as before


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_no_bit_of_the_first_packet_can_be_flipped(suite: Suite) -> None:
    (first,), _ = every_form(suite)
    opens = opener(suite, memory := State())
    for bit in range(8 * len(first)):
        changed = bytearray(first)
        changed[bit // 8] ^= 1 << bit % 8
        refusal(opens.open(bytes(changed), 0.0))
    assert memory.heard == {}
    assert opens.open(first, 0.0).packets


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_no_packet_can_be_cut_or_lengthened(suite: Suite) -> None:
    first, others = every_form(suite)
    opens = ready(opener(suite), first)
    for packet in others + first:
        for length in range(len(packet)):
            refusal(opens.open(packet[:length], 0.1))
            refusal(opens.open(packet[length + 1 :], 0.1))
        for more in (b"\x00", b"\xff", bytes(16), packet):
            refusal(opens.open(packet + more, 0.1))


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_no_two_packets_can_be_spliced(suite: Suite) -> None:
    first, others = every_form(suite)
    opens = ready(opener(suite), first)
    known = set(first + others)
    for one in first + others:
        for two in first + others:
            for cut in range(1, min(len(one), len(two))):
                for spliced in (one[:cut] + two[cut:], one[:cut] + two[-cut:], one[:-cut] + two[-cut:]):
                    if spliced not in known:
                        refusal(opens.open(spliced, 0.1))


# --- repeated and reordered packets ---


def test_copies_are_refused_and_counted() -> None:
    first, others = every_form(ENCRYPT)
    opens = ready(opener(), first)
    for packet in others:
        assert opens.open(packet, 0.1).packets
    for packet in first + others:
        assert refusal(opens.open(packet, 0.2)) is Refusal.DUPLICATE


def test_a_whole_over_cannot_be_played_back() -> None:
    """Not while the program runs, and not to the next program with the same memory."""
    seals, memory = sealer(), State()
    opens = opener(ENCRYPT, memory)
    recorded = sealed_over(seals, 30)
    for turn, packet in enumerate(recorded):
        assert opens.open(packet, turn * PACKET_S).packets
    for over_id in (4, 5):
        for packet in sealed_over(seals, 5, over_id):
            opens.open(packet, 20.0)
    late = 20.0 + FORGET_S + 1
    for listener in (opens, opener(ENCRYPT, memory)):
        reasons = Counter(refusal(listener.open(packet, late)) for packet in recorded)
        assert reasons == {Refusal.REPLAYED: 4, Refusal.NO_SESSION: 26}
    assert memory.heard == {(Use.OVER, SOURCE, 9): 2}


def test_a_message_cannot_be_played_back_to_the_next_program() -> None:
    seals, memory = sealer(), State()
    recorded = [seals.seal(TEXT) for _ in range(100)]
    opens = opener(ENCRYPT, memory)
    assert all(opens.open(packet, 0.0).packets for packet in recorded)
    assert refusal(opens.open(recorded[0], 0.0)) is Refusal.REPLAYED
    assert all(not opener(ENCRYPT, memory).open(packet, 0.0).packets for packet in recorded)
    assert memory.heard == {(Use.ALONE, SOURCE, 9): 99}


def test_packets_may_overtake_each_other_by_less_than_half_a_round() -> None:
    """Without a block a number is told by its six bits: 32 packets of lateness (6.2); with one, by the window of 64."""
    sealed = sealed_over(sealer(), 100)
    for late in (1, 3, 31, 32):
        opens = opener()
        order = [*range(40 - late), *range(41 - late, 41), 40 - late]
        assert all(opens.open(sealed[n], n * PACKET_S).packets for n in order)
    opens = opener()
    for n in [*range(7), *range(8, 41)]:
        opens.open(sealed[n], 40 * PACKET_S)
    assert refusal(opens.open(sealed[7], 40 * PACKET_S)) is Refusal.BAD_TAG


@pytest.mark.parametrize(("highest", "reason"), [(77, None), (78, Refusal.TOO_OLD), (90, Refusal.TOO_OLD)])
def test_the_window_is_64_packets(highest: int, reason: Refusal | None) -> None:
    sealed = sealed_over(sealer(), 100)
    opens = opener()
    for n in [*range(14), *range(15, highest + 1)]:
        assert opens.open(sealed[n], n * PACKET_S).packets
    assert opens.open(sealed[14], highest * PACKET_S).refused == (() if reason is None else (reason,))


@given(st.randoms(use_true_random=False), st.integers(1, 31))
@settings(max_examples=40)
def test_any_order_within_reach_opens_each_packet_once(rng: random.Random, reach: int) -> None:
    plain = plain_over(80)
    seals = sealer()
    seals.begin_over()
    sealed = [seals.seal(packet) for packet in plain]
    opens = opener()
    order = sorted(range(1, 80), key=lambda n: n + rng.uniform(0, reach))
    arrivals = [0, *order, *order[-10:]]
    opened = [packet for n in arrivals for packet in opens.open(sealed[n], n * PACKET_S).packets]
    assert sorted(opened) == sorted(plain)


def test_messages_may_overtake_each_other_within_the_window() -> None:
    seals, memory = sealer(), State()
    sealed = [seals.seal(TEXT) for _ in range(200)]
    opens = opener(ENCRYPT, memory)
    assert opens.open(sealed[100], 0.0).packets
    assert opens.open(sealed[37], 0.0).packets
    assert refusal(opens.open(sealed[36], 0.0)) is Refusal.REPLAYED
    assert refusal(opens.open(sealed[37], 0.0)) is Refusal.DUPLICATE
    assert opens.open(sealed[199], 0.0).packets
    assert refusal(opens.open(sealed[101], 0.0)) is Refusal.REPLAYED


# --- wrong keys, wrong overs, strangers ---


def test_wrong_keys_and_wrong_suites() -> None:
    for forms in (sealed_over(sealer(), 4), [sealer().seal(TEXT)]):
        wrong = Opener(ENCRYPT, {9: NetKey(9, b"wrong".ljust(32))}, State(), packet_s=PACKET_S)
        foreign = Opener(ENCRYPT, {10: KEYS[10]}, State(), packet_s=PACKET_S)
        assert refusal(wrong.open(forms[0], 0.0)) is Refusal.BAD_TAG
        assert refusal(foreign.open(forms[0], 0.0)) is Refusal.UNKNOWN_KEY
        for listener in (wrong, foreign, *(opener(suite) for suite in SUITES if suite != ENCRYPT)):
            assert all(not listener.open(packet, 0.0).packets for packet in forms)


def test_a_packet_of_another_over_does_not_fit() -> None:
    """Neither with the other's over id written over its own, nor 32 overs later when the id comes round again."""
    seals = sealer()
    one, two = sealed_over(seals, 6, 3), sealed_over(seals, 6, 4)
    same_id = sealed_over(seals, 6, 3)
    opens = ready(opener(), [two[0]])
    moved = (int.from_bytes(one[1][:2], "big") & ~0x7C0 | 4 << 6).to_bytes(2, "big") + one[1][2:]
    assert refusal(opens.open(moved, 0.1)) is Refusal.BAD_TAG
    opens = ready(opener(), [same_id[0]])
    assert refusal(opens.open(one[1], 0.1)) is Refusal.BAD_TAG
    assert opens.open(same_id[1], 0.1).packets


def test_an_over_older_than_one_heard_is_refused() -> None:
    seals = sealer()
    older, newer = sealed_over(seals, 3, 3), sealed_over(seals, 3, 4)
    opens = ready(opener(), [newer[0]])
    assert refusal(opens.open(older[0], 0.1)) is Refusal.REPLAYED


def test_two_talkers_with_the_same_over_id_are_told_apart() -> None:
    one, two = sealed_over(sealer(source=5), 5, 3, 5), sealed_over(sealer(source=6, seed=2), 5, 3, 6)
    opens = opener()
    for a, b in zip(one, two, strict=True):
        assert opens.open(a, 0.0).packets
        assert opens.open(b, 0.0).packets


def test_what_is_not_sealed_is_not_heard() -> None:
    opens = opener()
    for packet in (TEXT, ACK, PARITY):
        assert refusal(opens.open(packet, 0.0)) is Refusal.UNSEALED
    for packet in plain_over(5):
        refusal(opens.open(packet, 0.0))


def test_ones_own_packets_played_back_are_not_heard() -> None:
    seals, memory = sealer(), State()
    opens = opener(ENCRYPT, memory, own=SOURCE)
    assert refusal(opens.open(sealed_over(seals, 3)[0], 0.0)) is Refusal.REFLECTED
    assert refusal(opens.open(seals.seal(TEXT), 0.0)) is Refusal.REFLECTED
    assert memory.heard == {}


def test_both_keys_are_heard_while_a_net_rolls_over() -> None:
    opens = opener()
    for key_id in (9, 10):
        assert opens.open(sealed_over(sealer(key_id=key_id), 3, key_id)[0], 0.0).packets
        assert opens.open(sealer(key_id=key_id, counter=7).seal(TEXT), 0.0).packets


# --- made-up packets ---


def test_random_packets_are_never_opened() -> None:
    """2^16 here, 2^20 by `make forgeries`: half of them random throughout, half with the header of the running over."""
    opens = opener(ENCRYPT, memory := State())
    sealed = sealed_over(sealer(), 100)
    for turn in range(50):
        assert opens.open(sealed[turn], turn * PACKET_S).packets
    before, rng = dict(memory.heard), random.Random(20)
    reasons: Counter[Refusal] = Counter()
    for turn in range(FORGERIES):
        made = rng.randbytes(rng.randrange(64))
        if turn % 2:
            made = sealed[rng.randrange(100)][: rng.choice((2, 2, 18))] + made
        opened = opens.open(made, 50 * PACKET_S)
        assert opened.packets == ()
        reasons.update(opened.refused)
    assert sum(reasons.values()) == FORGERIES
    assert memory.heard == before
    assert reasons[Refusal.BAD_TAG] > FORGERIES / 4
    for turn in range(50, 100):
        assert opens.open(sealed[turn], turn * PACKET_S).packets


OPEN = ready(opener(), every_form(ENCRYPT)[0])


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_with_a_name(data: bytes) -> None:
    assert OPEN.open(data, 0.0).packets == ()
    for form in every_form(ENCRYPT)[1]:
        assert OPEN.open(form[:2] + data, 0.0).packets == ()


def test_names_do_not_clash_with_those_of_the_packet_parser() -> None:
    """A counter `rx.dropped.NAME` that both use means the same in both."""
    assert (Refusal.TOO_SHORT.value, Refusal.WRONG_VERSION.value) == ("too_short", "wrong_version")
    opens = opener()
    assert refusal(opens.open(b"", 0.0)) is Refusal.TOO_SHORT
    assert refusal(opens.open(bytes(5), 0.0)) is Refusal.TOO_SHORT
    assert refusal(opens.open(bytes(6), 0.0)) is Refusal.WRONG_VERSION


# --- late entry, gaps, time ---


@pytest.mark.parametrize("missed", [1, 2, 3, 13, 14, 15, 63, 100, 130])
def test_late_entry_waits_for_a_block_for_12_packets_at_most(missed: int) -> None:
    plain = plain_over(200)
    seals = sealer()
    seals.begin_over()
    sealed = [seals.seal(packet) for packet in plain]
    opens = opener()
    opened = [opens.open(sealed[n], n * PACKET_S).packets for n in range(missed, 200)]
    closed = opened.index((plain[missed + opened.count(())],))
    assert closed == opened.count(()) < 12
    assert [packet for (packet,) in opened[closed:]] == plain[missed + closed :]


def test_packets_held_back_are_opened_when_the_block_comes_in_time() -> None:
    plain = plain_over(6)
    seals = sealer()
    seals.begin_over()
    sealed = [seals.seal(packet) for packet in plain]
    opens = opener(hold_s=0.2)
    assert opens.open(sealed[1], 0.00) == Opened()
    assert opens.open(sealed[2], 0.05).packets == (plain[1], plain[2])
    opens = opener(hold_s=0.2)
    assert opens.open(sealed[1], 0.00) == Opened()
    assert opens.open(sealed[3], 0.01) == Opened()
    assert opens.open(sealed[0], 0.15) == Opened((plain[0], plain[1], plain[3]))  # in their order
    assert opens.open(sealed[2], 0.16) == Opened((plain[2],))
    assert opens.open(sealed[3], 0.16).refused == (Refusal.DUPLICATE,)
    opens = opener(hold_s=0.2)
    assert opens.open(sealed[1], 0.00) == Opened()
    assert opens.open(sealed[2], 0.25) == Opened((plain[2],), (Refusal.NO_SESSION,))


def test_a_flood_before_the_block_holds_back_no_more_than_four() -> None:
    opens, sealed = opener(hold_s=10.0), sealed_over(sealer(), 3)
    refused = [opens.open(sealed[1][:-1] + bytes((n,)), 0.0).refused for n in range(100)]
    assert sum(map(len, refused)) == 96
    assert opens.open(sealed[0], 0.1).packets


@pytest.mark.parametrize("fade", [20, 31, 40, 60])
def test_after_a_fade_packets_are_placed_by_time(fade: int) -> None:
    """The over is taken up with the first packet after the fade, though more than half a round was lost."""
    sealed = sealed_over(sealer(), 200)
    opens = opener()
    heard = [*range(10), *range(10 + fade, 130)]
    assert all(opens.open(sealed[n], n * PACKET_S).packets for n in heard)


def test_an_over_long_silent_is_forgotten() -> None:
    sealed = sealed_over(sealer(), 20)
    opens = ready(opener(), sealed[:3])
    assert opens.open(sealed[3], FORGET_S - 1).refused == (Refusal.BAD_TAG,)  # by time it should be a later one
    assert opens.open(sealed[14], FORGET_S - 0.5).packets  # a block tells its number
    assert refusal(opens.open(sealed[15], 3 * FORGET_S)) is Refusal.NO_SESSION
    assert refusal(opens.open(sealed[14], 3 * FORGET_S)) is Refusal.REPLAYED


def test_at_most_four_overs_are_open() -> None:
    seals = [sealer(source=source, seed=source) for source in range(1, 7)]
    overs = [sealed_over(one, 4, over_id=n, source=n + 1) for n, one in enumerate(seals)]
    opens = opener()
    for sealed in overs:
        assert opens.open(sealed[0], 0.0).packets
    assert [bool(opens.open(sealed[1], 0.1).packets) for sealed in overs] == [False, False, True, True, True, True]


# --- what the operator hears of it ---


def test_refusals_are_told_once_in_a_while() -> None:
    opens = opener()
    assert opens.open(TEXT, 0.0).alarm == {Refusal.UNSEALED: 1}
    for n in range(1, 100):
        assert not opens.open(TEXT, n * TELL_EVERY_S / 100).alarm
    foreign = sealer().seal(TEXT)[:-1] + b"\x00"
    assert opens.open(foreign, TELL_EVERY_S).alarm == {Refusal.UNSEALED: 99, Refusal.BAD_TAG: 1}


def test_what_happens_on_any_net_is_not_told() -> None:
    sealed = sealed_over(sealer(), 4)
    opens = opener(own=77)
    for packet in (sealed[1], sealed[0], sealed[0], b"", bytes(20)):
        assert not opens.open(packet, 0.0).alarm
