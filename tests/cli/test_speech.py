"""`clarilink encode`, `decode` and `loopback` as their user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.samples import sample_path
from tests.cli.calls import good, refused


def test_encode_and_decode(wav: Path, tmp_path: Path, weights: Path) -> None:
    for raw in ([], ["--raw"]):
        good("encode", wav, tmp_path / "x", *raw, "--weights", weights)
        good("decode", tmp_path / "x", tmp_path / "o.wav", *raw, "--weights", weights)
        assert soundfile.info(tmp_path / "o.wav").samplerate == 16_000
        assert soundfile.info(tmp_path / "o.wav").frames == (39 * 1280 if raw else 49_777)


def test_each_depth_of_search_is_another(wav: Path, tmp_path: Path, weights: Path) -> None:
    coded = []
    for flags in ([], ["--search"], ["--quick-search"], ["--thorough-search"], ["--no-search"]):
        good("encode", wav, tmp_path / "x", "--raw", *flags, "--weights", weights)
        coded.append((tmp_path / "x").read_bytes())
    assert coded[0] == coded[1]
    assert len({len(one) for one in coded}) == 1
    assert len(set(coded)) == 4


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [
        (8000, 1, "PCM_16"),
        (22_050, 1, "PCM_16"),
        (44_100, 2, "PCM_24"),
        (48_000, 2, "FLOAT"),
        (16_000, 1, "ULAW"),
        (16_000, 6, "PCM_U8"),
        (96_000, 1, "DOUBLE"),
    ],
)
def test_all_common_sound_files_are_taken(
    tmp_path: Path, weights: Path, rate: int, channels: int, subtype: str
) -> None:
    tone = 0.1 * np.sin(np.arange(2 * rate) * 2 * np.pi * 300 / rate)
    soundfile.write(tmp_path / "in.wav", np.repeat(tone[:, None], channels, 1), rate, subtype=subtype)
    good("encode", tmp_path / "in.wav", tmp_path / "x.raw", "--raw", "--weights", weights)
    assert (tmp_path / "x.raw").stat().st_size == 3 * 25


@pytest.mark.parametrize(
    ("pcm", "note"),
    [
        (np.zeros(16_000), None),
        (np.zeros(0), None),
        (np.ones(5), None),
        (3.0 * np.sin(np.arange(16_000) / 9), "clarilink: note: "),
        (np.full(16_000, np.nan), "clarilink: note: "),
        (np.full(16_000, np.inf), "clarilink: note: "),
    ],
    ids=["silent", "empty", "five samples", "over full scale", "not a number", "infinite"],
)
def test_odd_sounds_are_survived_and_remarked_on(
    tmp_path: Path, weights: Path, pcm: np.ndarray, note: str | None
) -> None:
    soundfile.write(tmp_path / "in.wav", pcm, 16_000, subtype="FLOAT")
    result = good("encode", tmp_path / "in.wav", tmp_path / "x.clk", "--weights", weights)
    good("decode", tmp_path / "x.clk", tmp_path / "o.wav", "--weights", weights)
    assert soundfile.info(tmp_path / "o.wav").frames == len(pcm)
    assert note is None or note in result.stderr


def test_bad_input_is_one_clear_line(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "text.wav").write_text("Dear Sir or Madam")
    (tmp_path / "blob.clk").write_bytes(b"\xff" * 300)
    for name, arguments in {
        "text.wav": ("encode", tmp_path / "text.wav", tmp_path / "x"),
        "none.wav": ("encode", tmp_path / "none.wav", tmp_path / "x"),
        str(tmp_path): ("encode", tmp_path, tmp_path / "x"),
        "blob.clk": ("decode", tmp_path / "blob.clk", tmp_path / "o.wav"),
        "none.clk": ("decode", tmp_path / "none.clk", tmp_path / "o.wav"),
        "none.safetensors": ("loopback", "--weights", tmp_path / "none.safetensors"),
        "no-such-channel": ("loopback", "--channel", "no-such-channel"),
    }.items():
        extra = () if "--weights" in arguments else ("--weights", weights)
        assert name in refused(*arguments, *extra)
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "o.wav").exists()


def test_loopback_leaves_report_sound_and_picture(tmp_path: Path, wav: Path, weights: Path) -> None:
    result = good(
        "loopback",
        wav,
        "-o",
        tmp_path / "o.wav",
        "--channel",
        "lossy-satellite",
        "--report",
        tmp_path / "r.json",
        "--plot",
        tmp_path / "p.png",
        "--weights",
        weights,
    )
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["channel"] == "lossy-satellite"
    assert f"{report['packets_sent']} sent, {report['packets_lost']} lost" in result.stdout
    assert soundfile.info(tmp_path / "o.wav").frames == 49_777
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_loopback_without_a_file_uses_the_packaged_sample(tmp_path: Path, weights: Path) -> None:
    assert f"{soundfile.info(sample_path()).duration:.2f} s of speech" in good("loopback", "--weights", weights).stdout


def test_a_channel_file_of_ones_own(tmp_path: Path, wav: Path, weights: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\nloss = 1.0\n')
    assert (
        "nothing was played" in good("loopback", wav, "--channel", tmp_path / "mine.toml", "--weights", weights).stdout
    )


def test_the_installed_program_through_pipes(wav: Path, weights: Path) -> None:
    """encode | decode, as real processes: bytes on standard streams, words on standard error."""
    program = [sys.executable, "-m", "gateway"]
    options = ["--weights", str(weights)]
    coded = subprocess.run([*program, "encode", "-", "-", *options], input=wav.read_bytes(), capture_output=True)
    assert coded.returncode == 0, coded.stderr
    heard = subprocess.run([*program, "decode", "-", "-", *options], input=coded.stdout, capture_output=True)
    assert heard.returncode == 0, heard.stderr
    assert heard.stdout[:4] == b"RIFF"
    assert len(heard.stdout) == 44 + 2 * 49_777
    broken = subprocess.run([*program, "decode", "-", "-", *options], input=coded.stdout[:60], capture_output=True)
    assert broken.returncode == 1
    assert b"Traceback" not in broken.stderr
    assert broken.stderr.startswith(b"clarilink: -: ")


def test_a_loopback_with_security(wav: Path, weights: Path) -> None:
    plain = good("loopback", wav, "--weights", weights).stdout
    sealed = good("loopback", wav, "--security", "authenticate-encrypt", "--weights", weights).stdout
    rate, played = (lambda text: text.split("\n")[1:2]), (lambda text: text.split("\n")[2:5])
    assert played(plain) == played(sealed)
    assert rate(plain) != rate(sealed)


def test_loopback_with_protection_and_its_mistakes(tmp_path: Path, wav: Path, weights: Path) -> None:
    report = tmp_path / "r.json"
    good(
        "loopback",
        wav,
        "--protection",
        "reed-solomon:n=6,k=4",
        "--report",
        report,
        "--weights",
        weights,
        "--channel",
        "clean",
    )
    assert json.loads(report.read_text())["protection"] == "reed-solomon (6,4)"
    assert "did you mean robust-packet?" in refused("loopback", wav, "--protection", "robust-pocket")
    assert "protection.distance: got 99" in refused("loopback", wav, "--protection", "payload-repeat:distance=99")
