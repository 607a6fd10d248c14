"""Link reports: golden vectors, round trips, counts cut to their fields, contradictions refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.packets import ReportPacket
from gateway.protocol.parse import Dropped, DropReason, parse
from gateway.protocol.report import BODY_BYTES, LinkReport, Reception, read_report

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "air_report.json").read_text(encoding="utf-8"))


@st.composite
def receptions(draw: st.DrawFn, most: int = 5000) -> Reception:
    """What a real over can give: runs of losses between packets that were heard."""
    bursts = draw(st.lists(st.integers(1, most // 8), max_size=8))
    lost = sum(bursts)
    expected = lost + len(bursts) + 1 + draw(st.integers(0, most // 2))
    return Reception(
        over_id=draw(st.integers(0, 31)),
        expected=expected,
        lost=lost,
        bursts=len(bursts),
        longest_burst=max(bursts, default=0),
        late=draw(st.integers(0, expected - lost)),
        source=draw(st.integers(1, 0xFFFF)),
        snr_db=draw(st.none() | st.floats(-200, 200)),
    )


@pytest.mark.parametrize("vector", GOLDEN["reports"], ids=lambda v: str(v["name"]))
def test_golden_reports_both_ways(vector: dict[str, Any]) -> None:
    packet = ReportPacket(LinkReport(**vector["report"]))
    assert packet.to_bytes(vector["crc"]).hex() == vector["hex"]
    assert parse(bytes.fromhex(vector["hex"]), crc=vector["crc"]) == packet


@pytest.mark.parametrize("vector", GOLDEN["dropped"], ids=lambda v: str(v["name"]))
def test_golden_drops(vector: dict[str, Any]) -> None:
    dropped = parse(bytes.fromhex(vector["hex"]), crc=vector["crc"])
    assert isinstance(dropped, Dropped)
    assert dropped.reason is DropReason(vector["reason"]), dropped.detail


@given(receptions(), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.booleans())
def test_every_reception_has_a_report_that_survives_the_air(
    reception: Reception, source: int, about: int, crc: bool
) -> None:
    report = LinkReport.of(reception, source=source, about=about)
    data = ReportPacket(report).to_bytes(crc)
    assert len(data) == 15 + 2 * crc
    assert parse(data, crc=crc) == ReportPacket(report)
    if reception.expected <= 0xFFF:
        assert (report.expected, report.lost) == (reception.expected, reception.lost)
    assert report.lost / report.expected == pytest.approx(reception.lost / reception.expected, abs=2e-3)
    if reception.lost and reception.mean_burst < 31:
        assert report.mean_burst == pytest.approx(reception.mean_burst, abs=1 / 16)


@given(st.binary(min_size=BODY_BYTES, max_size=BODY_BYTES))
def test_any_body_is_a_report_or_a_sentence(body: bytes) -> None:
    read = read_report(body)
    if isinstance(read, str):
        assert read
    else:
        # Three bits are ignored, all others come back.
        assert read.body() == body[:4] + bytes([body[4] & 0xF8]) + body[5:]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"source": 0x10000}, "source is 65536"),
        ({"over_id": 32}, "over id is 32"),
        ({"expected": 4096}, "expected is 4096"),
        ({"lost": 26}, "26 lost of 26"),
        ({"late": 24}, "24 late of 23"),
        ({"mean_burst": 1.3}, "mean burst is 1.3"),
        ({"mean_burst": 2.5}, "bursts of 2.5"),
        ({"lost": 0}, "bursts without loss"),
        ({"snr_db": 64.0}, "SNR is 64.0"),
        ({"snr_db": 0.3}, "SNR is 0.3"),
    ],
)
def test_nonsense_cannot_be_built(change: dict[str, Any], told: str) -> None:
    fields = GOLDEN["reports"][0]["report"] | change
    with pytest.raises(LocalProtocolError, match=told):
        LinkReport(**fields)


def test_loss_counts_what_could_not_be_played() -> None:
    assert Reception(0, 40, 6, 3, 4, late=2).loss == pytest.approx(0.2)
    assert Reception(0, 40, 6, 3, 4).mean_burst == 2.0
    assert LinkReport(1, 2, 3, 40, 6, 2.0, 4, late=2).loss == pytest.approx(0.2)
