"""What a run leaves behind, read back as others would."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.errors import GatewayError
from gateway.tools.waveform_report import (
    Curve,
    fitted_curve,
    plot_run,
    read_sound,
    row_text,
    run_trial,
    write_sound,
    write_table,
)
from gateway.traces import Direction, Outcome, TraceReader
from gateway.waveform.figures import Coding, airtime_s
from gateway.waveform.receive import Heard, receive
from gateway.waveform.transmit import modulate
from gateway.waveform.trial import Plan, Row, passages
from gateway.waveform.water import Water

STILL = Water()
PLAN = Plan(16, Coding.NONE, packets=6)


def row(snr_db: float, packets: int, lost: int) -> Row:
    return Row(snr_db, packets, 0, lost, lost / packets, 0, 1, 100, lost, 0.1, 0, 1, 0.1, 0.5, None, None)


def test_a_table_has_the_curve_in_its_first_columns(tmp_path: Path) -> None:
    rows = run_trial(STILL, PLAN, (4.0, 12.0))
    write_table(tmp_path / "t.csv", rows)
    with (tmp_path / "t.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0])[:3] == ["snr_db", "delivery", "packets"]
    assert [float(line["snr_db"]) for line in table] == [4.0, 12.0]
    assert [float(line["delivery"]) for line in table] == pytest.approx([each.delivery for each in rows], abs=1e-6)
    assert float(table[1]["ber_high"]) > 0


def test_a_trace_has_every_packet_as_sent_and_as_received(tmp_path: Path) -> None:
    run_trial(STILL, PLAN, (4.0, 20.0), trace=tmp_path / "run.trace")
    reader = TraceReader(tmp_path / "run.trace")
    records = list(reader)
    assert reader.header.notes["coding"] == "none"
    sent = [r for r in records if r.direction is Direction.TX]
    heard = [r for r in records if r.direction is Direction.RX]
    assert len(sent) == len(heard) == 12
    assert [r.sequence for r in sent] == [r.sequence for r in heard] == list(range(6)) * 2
    took_s = airtime_s(16, Coding.NONE)
    for begun, ended, passage in zip(sent[6:], heard[6:], passages(STILL, PLAN, 20.0), strict=True):
        assert ended.outcome is Outcome.DELIVERED
        assert ended.at_s == pytest.approx(begun.at_s + took_s)
        assert ended.delay_s == pytest.approx(took_s)
        assert ended.snr_db == pytest.approx(passage.snr_db)
        assert ended.digest == begun.digest
    wrong = [p.bit_errors for p in passages(STILL, PLAN, 4.0)]
    assert [r.outcome is Outcome.DELIVERED for r in heard[:6]] == [each == 0 for each in wrong]
    assert [r.status for r in heard[:6]] == ["" if each == 0 else f"{each} bits wrong" for each in wrong]
    times = [r.sent_s for r in heard]
    assert times == sorted(times)


def test_sound_is_a_packet_again(tmp_path: Path) -> None:
    run_trial(STILL, PLAN, (15.0, 25.0), sound=tmp_path / "run.wav")
    sound, rate_hz = soundfile.read(tmp_path / "run.wav")
    assert rate_hz == 48_000
    assert 0.85 < np.abs(sound).max() < 0.95
    heard = receive(read_sound(tmp_path / "run.wav", 12_000.0), Coding.NONE)
    assert isinstance(heard, Heard)
    first = next(iter(passages(STILL, PLAN, 25.0)))
    assert heard.data == first.sent


def test_sound_that_cannot_be(tmp_path: Path) -> None:
    signal = modulate(b"abc", Coding.NONE)
    with pytest.raises(GatewayError, match="band around 35000 Hz does not fit"):
        write_sound(tmp_path / "a.wav", [signal], 35_000.0)
    with pytest.raises(GatewayError, match="cannot write"):
        write_sound(tmp_path / "none" / "a.wav", [signal], 12_000.0)
    with pytest.raises(GatewayError, match="cannot read"):
        read_sound(tmp_path / "none.wav", 12_000.0)
    soundfile.write(tmp_path / "slow.wav", np.zeros(100), 16_000)
    with pytest.raises(GatewayError, match="16000 samples a second do not hold"):
        read_sound(tmp_path / "slow.wav", 12_000.0)


def test_a_curve_is_found_again_from_counts() -> None:
    truth = Curve(3.0, 2.5)
    rng = np.random.default_rng(1)
    rows = [row(x, 2000, 2000 - int(rng.binomial(2000, truth.delivery(x)))) for x in np.arange(0.0, 8.0)]
    found = fitted_curve(rows)
    assert found is not None
    assert found.half_db == pytest.approx(3.0, abs=0.1)
    assert found.width_db == pytest.approx(2.5, abs=0.2)
    assert truth.delivery(3.0) == 0.5
    assert truth.delivery(4.25) == pytest.approx(0.9)


@pytest.mark.parametrize(
    "counts", [[(0.0, 0), (5.0, 0)], [(0.0, 100), (5.0, 100)], [(3.0, 50)], [(0.0, 0), (5.0, 100)]]
)
def test_no_curve_where_none_is_seen(counts: list[tuple[float, int]]) -> None:
    assert fitted_curve([row(snr_db, 100, lost) for snr_db, lost in counts]) is None


def test_a_step_is_a_steep_curve() -> None:
    found = fitted_curve([row(0.0, 100, 100), row(1.0, 100, 100), row(2.0, 100, 0), row(3.0, 100, 0)])
    assert found is not None
    assert found.half_db == pytest.approx(1.5, abs=0.1)
    assert 0 < found.width_db < 1.0


def test_a_picture(tmp_path: Path) -> None:
    rows = run_trial(STILL, PLAN, (0.0, 20.0))
    plot_run(tmp_path / "run.png", rows, PLAN, STILL, "a title")
    assert (tmp_path / "run.png").stat().st_size > 20_000
    with pytest.raises(GatewayError, match="cannot write a picture"):
        plot_run(tmp_path / "none" / "run.png", rows, PLAN, STILL, "a title")


def test_a_line_for_people() -> None:
    assert "none read" in row_text(Row(-9.0, 3, 3, 0, 1, 0.4, 1, 0, 0, float("nan"), 0, 1, 0.4, 1, None, None))
    assert "5.0" in row_text(row(5.0, 100, 3))
