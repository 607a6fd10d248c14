"""The table: alignment, intervals, notes, and a real run on a few human clips."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.errors import EvaluationError
from gateway.evaluation import cache, codec2
from gateway.evaluation.evaluate import EvaluateOptions, run_evaluation
from gateway.evaluation.report import table
from gateway.evaluation.speech import load_clips
from gateway.evaluation.speech import speech_folder as find_speech_folder


def test_clips_are_chosen_repeatably_and_spread_over_speakers(speech_folder: Path) -> None:
    first, again = (load_clips(speech_folder, "cv-native", 12) for _ in range(2))
    assert [c.id for c in first] == [c.id for c in again]
    assert len({c.speaker for c in first}) >= 10
    assert all(len(c.pcm) > 16_000 and c.text for c in first)


@pytest.mark.skipif(not codec2.available(), reason="c2enc and c2dec are not installed (Debian package codec2)")
def test_a_small_table(speech_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = EvaluateOptions(
        speech=speech_folder,
        clips=3,
        systems=("original", "codec2-3200"),
        asr=("tiny.en",),
        speed=False,
        out=tmp_path,
        threads=1,
    )
    report = run_evaluation(options)
    original, classic = report.rows
    assert set(original.measures) == {"dnsmos"}
    assert not original.dwer
    stoi, dnsmos = classic.measures["stoi"], classic.measures["dnsmos"]
    assert 0.4 < stoi.low <= stoi.value <= stoi.high < 0.95
    if "pesq" in classic.measures:  # left out, with a note, where it could not be built
        assert 1.0 < classic.measures["pesq"].value < 3.0
    assert 1.0 < dnsmos.value < original.measures["dnsmos"].value < 5.0
    interval = classic.dwer["tiny.en"]
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert json.loads((tmp_path / "report.json").read_text())["clips"] == 3
    assert len(list((tmp_path / "audio" / "codec2-3200").glob("*.wav"))) == 3
    assert "codec2-3200" in table(report)
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows] == ["original", "codec2-3200"]
    assert rows[0]["dwer_tiny.en"] == ""
    assert [row["bits_a_second"] for row in rows] == ["", "3200"]
    assert float(rows[1]["dwer_tiny.en_high"]) == pytest.approx(interval.high, abs=1e-4)

    # What was recognised is remembered: the second run needs no recogniser at all.
    monkeypatch.setattr(cache, "Recogniser", None)
    assert run_evaluation(options) == report

    again = run_evaluation(replace(options, against=tmp_path))
    assert again.rows[1].since["dwer tiny.en"].value == 0
    assert again.rows[1].since["stoi"].value == pytest.approx(0, abs=1e-5)
    with pytest.raises(EvaluationError, match=r"no clips\.csv there"):
        run_evaluation(replace(options, against=tmp_path / "nowhere"))


def test_what_is_missing_is_named(speech_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"no manifest\.tsv there"):
        find_speech_folder(tmp_path)
    with pytest.raises(EvaluationError, match="system 'opus' is not known"):
        run_evaluation(EvaluateOptions(speech=speech_folder, clips=1, systems=("opus",), asr=(), speed=False))
    with pytest.raises(EvaluationError, match="measure 'mos' is not known; there are stoi, pesq, dnsmos, phones, nats"):
        run_evaluation(EvaluateOptions(speech=speech_folder, clips=1, measures=("stoi", "mos"), asr=(), speed=False))
    with pytest.raises(EvaluationError, match="subset 'x' is not known"):
        load_clips(speech_folder, "x", 1)


def test_codec2_absent_is_a_note(speech_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec2, "available", lambda: False)
    report = run_evaluation(
        EvaluateOptions(
            speech=speech_folder, clips=1, systems=("original", "codec2-1300"), asr=(), measures=(), speed=False
        )
    )
    assert [row.system for row in report.rows] == ["original"]
    assert "codec2-1300 skipped" in report.notes[0]


def test_differences_are_paired_clip_by_clip(
    speech_folder: Path, tmp_path: Path, small_codec: Codec, small_spec: CodecSpec
) -> None:
    save_weights(tmp_path / "w.safetensors", small_spec, small_codec.model.state_dict())
    report = run_evaluation(
        EvaluateOptions(
            speech=speech_folder,
            clips=3,
            systems=("8khz", "ours-300", "ours-300-search", "original"),
            asr=("tiny.en",),
            weights=tmp_path / "w.safetensors",
            measures=(),
            speed=False,
            threads=1,
        )
    )
    telephone, ours, searched, original = report.rows
    assert original.behind == {}
    assert [list(row.behind) for row in (telephone, ours, searched)] == [
        ["ours-300", "ours-300-search"],
        ["ours-300-search"],
        ["ours-300"],
    ]
    assert ours.behind["ours-300-search"]["tiny.en"].value == -searched.behind["ours-300"]["tiny.en"].value
    difference = telephone.behind["ours-300"]["tiny.en"]
    assert difference.value == pytest.approx(telephone.dwer["tiny.en"].value - ours.dwer["tiny.en"].value)
    assert difference.high < 0  # untrained weights lose every word, on every clip
    assert "less ours-300" not in table(report)  # the table has the differences to other codecs only


def test_damage_and_conditions_are_rows_and_pictures(
    speech_folder: Path, tmp_path: Path, small_codec: Codec, small_spec: CodecSpec
) -> None:
    save_weights(tmp_path / "w.safetensors", small_spec, small_codec.model.state_dict())
    report = run_evaluation(
        EvaluateOptions(
            speech=speech_folder,
            clips=2,
            systems=("original", "ours-300", "ours-150"),
            channels=("loss-10-burst-2",),
            bit_errors=(0.01,),
            noise_db=(5.0, 20.0),
            reverb_s=(0.5,),
            bands=("hand-microphone",),
            overdrive_db=(20.0,),
            asr=("tiny.en",),
            measures=("stoi",),
            weights=tmp_path / "w.safetensors",
            out=tmp_path / "out",
            threads=1,
        )
    )
    names = [row.name for row in report.rows]
    assert names[:5] == [
        "original",
        "ours-300",
        "ours-150",
        "ours through loss-10-burst-2",
        "ours, bit errors 1 %",
    ]
    assert names[5:8] == [f"{system}, hand-microphone" for system in ("original", "ours-300", "ours-150")]
    assert names[8:11] == [f"{system}, reverb 0.5 s" for system in ("original", "ours-300", "ours-150")]
    assert names[11:14] == [f"{system}, overdriven 20 dB" for system in ("original", "ours-300", "ours-150")]
    by_name = {row.name: row for row in report.rows}
    noisy = by_name["original, noise 5 dB"]
    assert noisy.measures["stoi"].value < by_name["original, noise 20 dB"].measures["stoi"].value < 1.0
    assert "tiny.en" in noisy.dwer  # against the text of the clean original
    assert noisy.behind["ours-300"]["tiny.en"].value < 0
    assert report.speed["algorithmic_delay_ms"] > 0
    assert "ours on one core" in table(report)
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"rate.png", "noise.png", "damage.png"}


def test_other_languages_are_heard_by_who_knows_them(speech_folder: Path) -> None:
    """All there are: some of them have no token in Whisper's vocabulary, some are written without spaces."""
    report = run_evaluation(
        EvaluateOptions(
            speech=speech_folder, subset="other", clips=99, systems=("8khz",), measures=(), speed=False, threads=1
        )
    )
    assert list(report.rows[0].dwer) == ["base"]
    left_out, by_letter, *english = report.notes
    assert left_out.startswith("clips in ab, ")
    assert left_out.endswith("left out: no recogniser asked for knows the language")
    assert by_letter == "errors in zh-HK, zh-TW are counted by characters"
    assert [note.partition(" ar, ")[0] for note in english] == [
        f"{name} left out: it does not know" for name in ("tiny.en", "moonshine")
    ]
    with pytest.raises(EvaluationError, match=r"no dev clips of subset other in a language that is known \(ab, "):
        run_evaluation(EvaluateOptions(speech=speech_folder, subset="other", asr=("tiny.en",)))


def test_noise_is_made_up_where_there_are_no_recordings(speech_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "speech").symlink_to(speech_folder)
    options = EvaluateOptions(
        speech=tmp_path / "speech",
        clips=1,
        systems=("original",),
        noise_db=(5.0,),
        asr=(),
        measures=("stoi",),
        speed=False,
    )
    report = run_evaluation(options)
    assert report.rows[1].measures["stoi"].value < 0.99
    assert report.notes == (f"noise is made up (wind, hiss, engines): there are no recordings in {tmp_path / 'noise'}",)
    with pytest.raises(EvaluationError, match=r"no manifest\.tsv there"):
        run_evaluation(replace(options, noise=tmp_path))
