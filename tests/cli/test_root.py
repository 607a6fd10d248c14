"""The program as its user starts it: results, and one clear line for everything that cannot be done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from firmware_bridge.framing.delimited import CobsFramer
from gateway.cli import main
from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.samples import sample_path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, small_codec: Codec, small_spec: CodecSpec) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, small_spec, small_codec.model.state_dict())
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def good(*arguments: object) -> Result:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object) -> str:
    """Exit code not zero, a line of why, no traceback; returns the line."""
    result = call(*arguments)
    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit)
    lines = [line for line in result.stderr.splitlines() if line.startswith(("clarilink: ", "Error: "))]
    assert len(lines) == 1, result.output
    return lines[0]


@pytest.fixture
def wav(tmp_path: Path, speechlike: np.ndarray) -> Path:
    soundfile.write(tmp_path / "in.wav", speechlike, 16_000)
    return tmp_path / "in.wav"


def test_help_of_every_command() -> None:
    assert "300 bit/s" in good("--help").output
    for name in main.commands:
        assert "Usage" in good(name, "--help").output
    assert "version" in good("--version").output


def test_encode_and_decode(wav: Path, tmp_path: Path, weights: Path) -> None:
    for raw in ([], ["--raw"]):
        good("encode", wav, tmp_path / "x", *raw, "--weights", weights)
        good("decode", tmp_path / "x", tmp_path / "o.wav", *raw, "--weights", weights)
        assert soundfile.info(tmp_path / "o.wav").samplerate == 16_000
        assert soundfile.info(tmp_path / "o.wav").frames == (39 * 1280 if raw else 49_777)


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
        "bad.toml": ("run", "-c", tmp_path / "bad.toml"),
        "mars.toml": ("channel", "-c", tmp_path / "mars.toml"),
    }.items():
        extra = () if arguments[0] in ("run", "channel") or "--weights" in arguments else ("--weights", weights)
        assert name in refused(*arguments, *extra)
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "o.wav").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[station]\nname = 'a'\nid = 1\n[link]\nkind = 'memory'\n[audio]\ninptu = 'null'\n",
            "audio.inptu: unknown key",
        ),
        ("[station]\nname = 'a'\nid = 'one'\n[link]\nkind = 'memory'\n", "station.id: got 'one'"),
        ("[station]\nname = 'a'\nid = 1\n", "link: missing"),
        ("[station\n", "not valid TOML"),
    ],
)
def test_mistakes_in_a_configuration_are_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    line = refused("run", "-c", tmp_path / "s.toml")
    assert "s.toml" in line
    assert told in line


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


def test_devices_can_be_asked_for_anywhere() -> None:
    assert good("devices").output.strip()


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


def test_airtime_prints_a_table_and_names_what_is_wrong(tmp_path: Path) -> None:
    channel = Path(__file__).parents[2] / "configs" / "channel" / "acoustic-1km.toml"
    out = good("airtime", "-c", channel, "--json", tmp_path / "rows.json").output
    assert "5 to 19" in out
    assert len(json.loads((tmp_path / "rows.json").read_text())[0]["rows"]) == 8 * 24
    assert "no.toml: cannot read" in refused("airtime", "-c", tmp_path / "no.toml")
    assert "no protection 'rain'" in refused("airtime", "-c", channel, "--protection", "rain")


def test_ports_lists_ports_and_prints_and_replays_raw_logs(tmp_path: Path) -> None:
    assert "ports" in good("ports").output or "/dev/" in good("ports").output
    log = tmp_path / "raw.log"
    frame = CobsFramer(270).encode(b"over")
    log.write_text(f"1.5 2026-11-26T09:30:00.000000Z < {frame.hex(' ')}\n")
    assert "6f 76 65 72" in good("ports", "--log", log).output
    replayed = good("ports", "--log", log, "-c", "transparent-9600").output
    assert "PacketHeard(data=b'over'" in replayed
    assert "no such raw log" in refused("ports", "--log", tmp_path / "none.log")


def test_run_refuses_a_link_that_cannot_carry_live_voice(tmp_path: Path) -> None:
    station = tmp_path / "slow.toml"
    station.write_text(
        '[station]\nname = "x"\nid = 1\n[audio]\ninput = "null"\noutput = "null"\n[link]\nkind = "memory"\n'
        '[channel]\npreset = "acoustic-1km"\n[packets]\nframes_per_packet = 2\n'
    )
    line = refused("run", "-c", station)
    assert "slow.toml: packets.frames_per_packet: link parrot+acoustic-1km is too slow for live voice" in line
    assert line.endswith("frames_per_packet 5 to 19 would fit")


def test_keygen_makes_adds_uses_and_drops(tmp_path: Path) -> None:
    path = tmp_path / "net.key"
    made = good("keygen", path).stdout
    assert made.startswith("key ")
    assert path.stat().st_mode & 0o777 == 0o600
    old = made.split()[1].rstrip(",")
    assert "exists already" in refused("keygen", path)
    added = good("keygen", path, "--add").stdout
    assert added.count(": accepted") == added.count(": sends") == 1
    new = added.split(" added;")[0].rsplit(" ", 1)[1]
    assert f"key {new}, check" in good("keygen", path, "--use", new).stdout
    assert "the one that sends" in refused("keygen", path, "--drop", new)
    assert good("keygen", path, "--drop", old).stdout.count("key ") == 1
    assert good("keygen", path, "--force").stdout != made
    path.chmod(0o644)
    assert "chmod 600" in refused("keygen", path, "--add")


def test_keygen_makes_a_curve_pair(tmp_path: Path) -> None:
    path = tmp_path / "alpha.curve"
    told = good("keygen", "--curve", path).stdout
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "alpha.curve.public").is_file()
    secret = path.read_text().split('secret = "')[1].split('"')[0]
    assert secret not in told
    assert "exists already" in refused("keygen", "--curve", path)


def test_a_station_without_its_key_says_so(tmp_path: Path, weights: Path) -> None:
    station = tmp_path / "s.toml"
    station.write_text(
        f'[station]\nname = "a"\nid = 1\n[link]\nkind = "memory"\n[codec]\nweights = "{weights}"\n'
        '[audio]\ninput = "null"\noutput = "null"\n[security]\nmode = "authenticate"\nkey_file = "net.key"\n'
    )
    assert f"{tmp_path}/net.key: no such key file" in refused("run", "-c", station)


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


def test_protection_prints_a_row_for_each_tool(tmp_path: Path) -> None:
    output = good("protection", "--packets", "1000", "--json", tmp_path / "p.json").output
    for name in ("none", "stage-one-repeat d=4", "payload-repeat d=4", "robust-packet", "robust-transparent"):
        assert name in output
    assert json.loads((tmp_path / "p.json").read_text())["packets"] == 1000
    assert "no manifest.tsv" in refused("protection", "--packets", "1000", "--speech", tmp_path)
