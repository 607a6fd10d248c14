"""The demo leaves what it says it leaves, with and without the speech folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.audio.files import read_audio
from gateway.codec import Codec
from gateway.tools import demo


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_codec: Codec) -> Path:
    # The real main job with small weights: what is heard is not judged here.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Codec, "load", classmethod(lambda cls, path=None: small_codec))
    return tmp_path / "demo-out"


def test_without_the_speech_folder(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLARILINK_SPEECH", "/nowhere")
    demo.main()
    for channel in demo.CHANNELS:
        heard = read_audio(in_folder / f"sample-{channel}.wav")
        assert len(heard) == len(read_audio(in_folder / "sample-original.wav"))
        assert json.loads((in_folder / f"sample-{channel}.json").read_text())["channel"] == channel
        assert (in_folder / f"sample-{channel}.png").stat().st_size > 10_000
    assert "no human clip" in capsys.readouterr().out


@pytest.mark.speech
def test_with_the_speech_folder(in_folder: Path, speech_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLARILINK_SPEECH", str(speech_folder))
    demo.main()
    assert len(read_audio(in_folder / "human-lossy-satellite.wav")) > 5 * 16_000
