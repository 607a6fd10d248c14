"""`clarilink message` as its user types it, on the spool of a station that is not running."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.messages.disk import RealDisk
from gateway.messages.spool import Folder, Spool
from gateway.protocol.bulk_code import cut
from gateway.protocol.bulk_packets import Addressee, MessageHead, voice_type


@pytest.fixture
def station(tmp_path: Path, small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray) -> Path:
    save_weights(tmp_path / "small.safetensors", small_spec, small_codec.model.state_dict())
    soundfile.write(tmp_path / "in.wav", speechlike, 16_000)
    path = tmp_path / "a.toml"
    path.write_text(
        """
[station]
name = "alpha"
id = 1
group = 4
[net.names]
1 = "alpha"
2 = "bravo"
[link]
kind = "memory"
[audio]
input = "null"
output = "file:played.wav"
[codec]
weights = "small.safetensors"
[messages]
spool = "spool"
"""
    )
    return path


def spool_of(station: Path) -> Spool:
    return Spool(station.parent / "spool", RealDisk(), max_bytes=10**6, wall_s=lambda: 1.8e9)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["message", *(str(a) for a in arguments)])


def good(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.splitlines()
    return line


def arrived(station: Path, codec: Codec, content: bytes, number: int = 0xAB12) -> MessageHead:
    kind = voice_type(1, codec.spec.codec_version)
    return MessageHead(number, 2, Addressee.STATION, 1, kind, len(content) + 4, 9)


def test_send_list_delete(station: Path) -> None:
    assert "to bravo: 5 bytes of text" in good("send", "-c", station, "--text", "Höre", "--to", "bravo")
    assert "to group 4: 3.1 s of speech, 117 bytes" in good("send", "-c", station, station.parent / "in.wav")
    assert "to station 9: " in good("send", "-c", station, "--text", "x", "--to", "9")
    assert "to everyone: " in good("send", "-c", station, "--text", "x", "--group", "0")
    lines = good("list", "-c", station).splitlines()
    assert lines[0].split() == ["ID", "STATE", "FROM", "TO", "WHAT", "DONE", "SINCE"]
    assert len(lines) == 5
    assert sum("voice, 3.1 s" in line and "group 4" in line for line in lines) == 1
    assert all(" to send " in line and " 0 % " in line for line in lines[1:])
    (text_id,) = [line.split()[0] for line in lines if "text, 5 bytes" in line]
    assert good("delete", "-c", station, text_id[:7].upper()) == f"{text_id} deleted\n"
    assert len(good("list", "-c", station).splitlines()) == 4


def test_a_failed_message_is_sent_again(station: Path) -> None:
    number = good("send", "-c", station, "--text", "x").split()[0]
    spool = spool_of(station)
    spool.move(spool.entries([Folder.OUTBOX])[0], Folder.FAILED)
    assert f"{number}  failed" in good("list", "-c", station)
    assert good("retry", "-c", station, number) == f"{number} is in the outbox again\n"
    assert "no message" in refused("retry", "-c", station, number)
    assert len(spool.entries([Folder.OUTBOX])) == 1


def test_play_and_export_what_arrived(station: Path, small_codec: Codec, speechlike: np.ndarray) -> None:
    content = small_codec.encode(speechlike)
    spool_of(station).complete(arrived(station, small_codec, content), content)
    out = station.parent / "out.wav"
    good("export", "-c", station, "0000ab12", out)
    decoded = Codec.load(station.parent / "small.safetensors").decode(content)
    assert np.allclose(soundfile.read(out)[0], decoded, atol=1e-4)
    good("play", "-c", station, "last")
    played = soundfile.read(station.parent / "played.wav")[0]
    begin = int(np.argmax(np.abs(played) > 0)) - int(np.argmax(np.abs(decoded) > 1 / 32768))
    assert np.allclose(played[begin + 100 :][:16_000], decoded[100:][:16_000], atol=1e-4)
    head = MessageHead(3, 2, Addressee.STATION, 1, 1, 4 + 5, 9)
    spool_of(station).complete(head, b"words")
    assert good("play", "-c", station, "00000003") == "words\n"
    good("export", "-c", station, "00000003", station.parent / "out.txt")
    assert (station.parent / "out.txt").read_text() == "words"


def test_a_message_that_is_not_all_here(station: Path, small_codec: Codec, speechlike: np.ndarray) -> None:
    content = small_codec.encode(speechlike)
    head = arrived(station, small_codec, content)
    spool = spool_of(station)
    spool.begin(head)
    assert "nothing of it is here yet" in refused("export", "-c", station, "last", station.parent / "out.wav")
    for place, block in list(cut(head, content).items())[::2]:
        spool.append(head, place, block)
    assert "arriving" in good("list", "-c", station)
    assert " 50 % " in good("list", "-c", station)
    good("export", "-c", station, "last", station.parent / "out.wav")
    assert soundfile.info(station.parent / "out.wav").frames == len(content) // 3 * 1280
    text = MessageHead(3, 2, Addressee.STATION, 1, 1, 4 + 50, 9)
    spool.begin(text)
    assert refused("play", "-c", station, "00000003").endswith("only 0 of 6 blocks are here")


def test_bad_input_is_one_clear_line(station: Path, small_codec: Codec) -> None:
    bare = station.parent / "bare.toml"
    bare.write_text('[station]\nname = "a"\nid = 1\n[link]\nkind = "memory"\n')
    assert refused("list", "-c", bare).endswith("messages: missing; this section with its key spool is needed")
    assert "either a sound file or --text" in refused("send", "-c", station)
    assert "either a sound file or --text" in refused("send", "-c", station, "in.wav", "--text", "x")
    assert "none.wav" in refused("send", "-c", station, "none.wav")
    assert "empty text" in refused("send", "-c", station, "--text", "")
    assert "control character" in refused("send", "-c", station, "--text", "a\x1bb")
    assert "at most 65531" in refused("send", "-c", station, "--text", "x" * 70_000)
    assert "no such station" in refused("send", "-c", station, "--text", "x", "--to", "zulu")
    assert "only one of them" in refused("send", "-c", station, "--text", "x", "--to", "bravo", "--group", "1")
    for command in ("play", "delete", "retry"):
        assert "no message 00000000" in refused(command, "-c", station, "00000000")
    for number in (1, 2):
        spool_of(station).begin(arrived(station, small_codec, bytes(9), number))
    assert "2 of them begin so" in refused("delete", "-c", station, "0000")
    other = MessageHead(7, 2, Addressee.STATION, 1, 40, 13, 9)
    spool_of(station).complete(other, bytes(9))
    assert "type 40 cannot be decoded here" in refused("export", "-c", station, "00000007", "x.wav")
    assert "cannot be written" in refused("export", "-c", station, good_text(station), "/nowhere/x.txt")
    (station.parent / "spool" / "damaged" / "0001-00000001.msg").write_bytes(b"?")
    assert "1 damaged file(s) in " in good("list", "-c", station)


def good_text(station: Path) -> str:
    return good("send", "-c", station, "--text", "x").split()[0]
