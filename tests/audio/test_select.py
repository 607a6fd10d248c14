"""From configuration to devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.audio.base import AudioInput, AudioOutput, Direction, ignore_event
from gateway.audio.files import read_audio, write_wav
from gateway.audio.keeper import DeviceInput, DeviceOutput, Stream
from gateway.audio.paced import FileInput, FileOutput, NullInput, NullOutput
from gateway.audio.select import open_audio
from gateway.clock import ManualClock
from gateway.config import AudioSection
from gateway.errors import AudioError
from gateway.metrics import Metrics


class NoCard:
    hangs = False

    def open(self, direction: Direction, device: str) -> Stream:
        raise AudioError("no card")

    def rescan(self) -> None:
        pass


@pytest.mark.parametrize(
    ("given", "input_type", "output_type"),
    [("null", NullInput, NullOutput), ("default", DeviceInput, DeviceOutput), ("USB", DeviceInput, DeviceOutput)],
)
def test_each_name_gives_its_kind(given: str, input_type: type[AudioInput], output_type: type[AudioOutput]) -> None:
    section = AudioSection(input=given, output=given)
    audio = open_audio(section, ManualClock(), Metrics(), ignore_event, NoCard())
    assert (type(audio.input), type(audio.output)) == (input_type, output_type)
    assert (audio.keeper is None) == (given == "null")
    audio.close()
    audio.close()


def test_files_in_the_place_of_devices(tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", [np.full(1600, 0.5, np.float32)])
    clock = ManualClock()
    section = AudioSection(input=f"file:{tmp_path / 'in.wav'}", output=f"file:{tmp_path / 'out.wav'}")
    audio = open_audio(section, clock, Metrics(), ignore_event)
    assert (type(audio.input), type(audio.output)) == (FileInput, FileOutput)
    audio.input.read()
    clock.sleep(0.1)
    audio.output.write(audio.input.read())
    clock.sleep(0.1)
    audio.close()
    assert len(read_audio(tmp_path / "out.wav")) >= 1599


def test_a_wrong_file_is_an_error(tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", [np.zeros(1, np.float32)])
    for bad in (
        AudioSection(input=f"file:{tmp_path / 'no.wav'}"),
        AudioSection(input=f"file:{tmp_path / 'in.wav'}", output=f"file:{tmp_path}"),
    ):
        with pytest.raises(AudioError, match="cannot"):
            open_audio(bad, ManualClock(), Metrics(), ignore_event, NoCard())
