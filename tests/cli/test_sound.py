"""`clarilink devices` and `clarilink sound`: tables, verdicts and errors as people get them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gateway.audio.device import DeviceInfo
from gateway.audio.files import read_audio, write_wav
from gateway.cli.root import main
from gateway.cli.sound import chosen_lines, device_lines, meter
from gateway.codec.level import active_level_db
from gateway.config import AudioSection
from gateway.errors import AudioError
from gateway.samples import sample_path

DEVICES = [
    DeviceInfo(0, "Headset", "ALSA", 1, 2, 48_000, True, False),
    DeviceInfo(1, "Headset", "JACK", 1, 2, 48_000, False, False),
    DeviceInfo(2, "HDMI", "ALSA", 0, 8, 44_100, False, True),
]


def station(folder: Path, microphone: str, speaker: str) -> str:
    path = folder / "station.toml"
    path.write_text(
        f'[station]\nname = "a"\nid = 1\n[link]\nkind = "memory"\n'
        f'[audio]\ninput = "{microphone}"\noutput = "{speaker}"\n'
    )
    return str(path)


def test_devices_marks_the_default_ones_and_what_a_station_would_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("gateway.audio.device.list_devices", lambda: DEVICES)
    done = CliRunner().invoke(main, ["devices", "-c", station(tmp_path, "headset", "usb")])
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[1].split() == ["0", "Headset,", "ALSA", "1", "ch*", "2", "ch", "48000", "Hz"]
    assert lines[3].split() == ["2", "HDMI,", "ALSA", "-", "8", "ch*", "44100", "Hz"]
    assert "microphone: #0 Headset, ALSA; the name also fits 'Headset, JACK' (#1)" in lines
    assert lines[-1].startswith("speaker: no sound output device 'usb'; there are: 'Headset'")
    told = CliRunner().invoke(main, ["devices", "--json"])
    assert [device["name"] for device in json.loads(told.output)] == ["Headset", "Headset", "HDMI"]


def test_no_devices_and_no_device_wanted() -> None:
    assert device_lines([]) == ["no sound devices; `null` and `file:PATH` always work"]
    assert chosen_lines([], AudioSection(input="file:x.wav", output="null")) == [
        "microphone: file:x.wav (no device)",
        "speaker: null (no device)",
    ]


def test_a_microphone_is_judged_and_played_back(tmp_path: Path) -> None:
    pcm = read_audio(sample_path())[: 16_000 * 2]
    write_wav(tmp_path / "said.wav", [pcm * np.float32(10 ** ((-24 - active_level_db(pcm)) / 20))])
    config = station(tmp_path, f"file:{tmp_path / 'said.wav'}", f"file:{tmp_path / 'heard.wav'}")
    done = CliRunner().invoke(main, ["sound", "microphone", "-c", config, "--seconds", "1.5"])
    assert done.exit_code == 0, done.output
    assert "microphone: good" in done.output
    heard = read_audio(tmp_path / "heard.wav")
    assert 1.0 < len(heard) / 16_000 < 4.0
    assert np.abs(heard).max() > 0.05
    shown = CliRunner().invoke(main, ["sound", "monitor", "-c", config, "--seconds", "0.5"])
    assert " dB" in shown.output
    assert "#" in shown.output


def test_a_silent_microphone_fails(tmp_path: Path) -> None:
    config = station(tmp_path, "null", "null")
    done = CliRunner().invoke(main, ["sound", "microphone", "-c", config, "--seconds", "1", "--no-playback"])
    assert done.exit_code == 1
    assert "microphone: silent: is it switched off" in done.output
    assert "not ready for use" in done.output
    assert "played back" not in done.output


def test_the_meter_has_its_ends() -> None:
    assert meter(-100, -100) == "|" + "." * 39
    assert meter(0, 0) == "#" * 39 + "|"
    assert meter(-30, -10).count("#") == 20 + 1


def test_the_tone_is_played(tmp_path: Path) -> None:
    config = station(tmp_path, "null", f"file:{tmp_path / 'heard.wav'}")
    assert CliRunner().invoke(main, ["sound", "tone", "-c", config, "--seconds", "0.3"]).exit_code == 0
    heard = read_audio(tmp_path / "heard.wav")
    assert 0.2 < np.abs(heard).max() < 0.3


def test_a_device_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def gone(self: object, direction: object, device: str) -> None:
        raise AudioError(f"no sound output device {device!r}")

    monkeypatch.setattr("gateway.audio.device.PortAudioOpener.open", gone)
    monkeypatch.setattr("gateway.audio.device.PortAudioOpener.rescan", lambda self: None)
    done = CliRunner().invoke(main, ["sound", "tone", "-c", station(tmp_path, "null", "usb")])
    assert done.exit_code == 1
    assert done.output.strip() == "clarilink: no sound output device 'usb'"
