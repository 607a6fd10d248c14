"""What ping says, of whatever system and language."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.traces.files import PING, only, read


def test_ping_logs(tmp_path: Path) -> None:
    imported = read(tmp_path, PING, "ping.txt")
    found = only(imported)
    assert found.sequence.tolist() == [1, 2, 3, 4, 5]
    assert found.is_lost.tolist() == [False, True, False, True, False]
    assert found.delay_s[[0, 2, 4]] == pytest.approx([0.1, 0.12, 0.0805])
    assert found.sent_s == pytest.approx([0, 1, 2, 3, 4], abs=0.001)
    assert found.copy_of.tolist() == [2]
    assert imported.report.skipped == 1
    assert only(read(tmp_path, PING, halve_round_trips=True)).delay_s[0] == pytest.approx(0.05)


def test_ping_of_a_mac_without_stamps(tmp_path: Path) -> None:
    text = (
        "PING x (192.0.2.7): 56 data bytes\n64 bytes from 192.0.2.7: icmp_seq=0 ttl=52 time=20.1 ms\n"
        "Request timeout for icmp_seq 1\n64 bytes from 192.0.2.7: icmp_seq=2 ttl=52 time=22.5 ms\n"
    )
    found = only(read(tmp_path, text, interval_s=0.5))
    assert found.is_lost.tolist() == [False, True, False]
    assert found.sent_s.tolist() == [0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("answer", "lost", "head", "tail"),
    [
        (
            "Reply from 192.0.2.7: bytes=32 time{}ms TTL=52",
            "Request timed out.",
            "Pinging x with 32 bytes of data:",
            "Ping",
        ),
        (
            "Antwort von 192.0.2.7: Bytes=32 Zeit{}ms TTL=52",
            "Zeitüberschreitung der Anforderung.",
            "Ping für x:",
            "Ca.",
        ),
        (
            "Réponse de 192.0.2.7 : octets=32 temps{} ms TTL=52",
            "Délai d’attente dépassé.",
            "Envoi de requêtes :",
            "Stat",
        ),
    ],
)
def test_ping_of_windows_in_any_language(tmp_path: Path, answer: str, lost: str, head: str, tail: str) -> None:
    pings = [answer.format("=20"), lost, answer.format("<1"), lost, answer.format("=21")]
    text = "\r\n".join(["", head, *pings, "", f"{tail} 192.0.2.7:", "    5, 3, 2 (40%),", "^C", ""])
    found = only(read(tmp_path, text, "ping.txt"))
    assert found.is_lost.tolist() == [False, True, False, True, False]
    assert found.delay_s[[0, 2, 4]].tolist() == [0.02, 0.001, 0.021]


def test_ping_counts_past_its_bits_and_on_where_it_was_started_anew(tmp_path: Path) -> None:
    def log(numbers: Iterable[int]) -> str:
        return "\n".join(f"64 bytes from 192.0.2.7: icmp_seq={n} ttl=52 time=20 ms" for n in numbers)

    found = only(read(tmp_path, log([*range(65_530, 65_536), *range(5)]), "ping.txt"))
    assert (len(found), found.n_lost) == (11, 0)
    imported = read(tmp_path, log([*range(1, 101), *range(1, 51)]), "ping.txt")
    assert (len(only(imported)), only(imported).n_lost) == (150, 0)
    assert "ping was started anew 1 times: counted on" in imported.report.notes
    damaged = read(tmp_path, log([1, 2, 99_999_999_999, 3]), "ping.txt")
    assert damaged.report.problems == [(3, "99999999999 is no number of a ping")]
    assert len(only(damaged)) == 3


def test_ping_of_busybox(tmp_path: Path) -> None:
    lines = [f"64 bytes from 192.0.2.7: seq={n} ttl=52 time=20.{n} ms" for n in (0, 1, 3)]
    assert only(read(tmp_path, "\n".join(lines), "ping.txt")).is_lost.tolist() == [False, False, True, False]
