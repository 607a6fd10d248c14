"""Miniature folders of each layout: recognised, read, and what they promise but do not hold reported."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.errors import ConfigError
from gateway.trainer.layouts import LAYOUTS, TEST_SPLIT, Entry, Layout, Missing, detect, dev_by_hash, read_layout


def sound(path: Path, seconds: float = 0.3, rate: int = 16_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.1 * np.sin(np.arange(int(seconds * rate)) * 400 * 2 * np.pi / rate)
    soundfile.write(path, tone.astype(np.float32), rate, format="MP3" if path.suffix == ".mp3" else None)


def librispeech(root: Path) -> Path:
    for split, reader in (("train-clean-100", "84"), ("dev-clean", "91"), ("test-other", "97")):
        chapter = root / split / reader / "7"
        sound(chapter / f"{reader}-7-0000.flac")
        lines = f"{reader}-7-0000 HE SAID SO\n{reader}-7-0001 NO SOUND FOR THIS\n"
        (chapter / f"{reader}-7.trans.txt").write_text(lines)
    return root


def libritts(root: Path) -> Path:
    for split, reader in (("train-clean-100", "84"), ("dev-clean", "91")):
        chapter = root / split / reader / "7"
        sound(chapter / f"{reader}_7_000001_000000.wav", rate=24_000)
        (chapter / f"{reader}_7_000001_000000.normalized.txt").write_text("He said so.\n")
        (chapter / f"{reader}_7_000001_000000.original.txt").write_text("He said so.\n")
    return root


def common_voice(root: Path) -> Path:
    head = "client_id\tpath\tsentence\tgender\tage\tlocale\n"
    rows = {name: f'{name * 30}\t{name}.mp3\tHe said "so\tfemale\ttwenties\ten\n' for name in "abcd"}
    for name in "abc":
        sound(root / "clips" / f"{name}.mp3", rate=32_000)
    (root / "validated.tsv").write_text(head + "".join(rows.values()))
    (root / "dev.tsv").write_text(head + rows["b"])
    (root / "test.tsv").write_text(head + rows["c"])
    return root


def plain(root: Path) -> Path:
    for talker in ("anna", "ben"):
        sound(root / talker / "more" / "1.wav")
    sound(root / ".hidden" / "1.wav")
    return root


def manifest(root: Path) -> Path:
    root.mkdir(parents=True)
    head = "id\tslice\tmember\tsource\tspeaker\tgender\tsplit\tlang\ttext\n"
    rows = "".join(f"i{n}\ttrain-0{n // 2}.tar\t{n}.flac\tmine\ts{n}\tf\ttrain\tde\tJA\n" for n in range(4))
    (root / "manifest.tsv").write_text(head + rows)
    with tarfile.open(root / "train-00.tar", "w") as tar:
        stored = io.BytesIO()
        soundfile.write(stored, np.zeros(800, np.float32), 16_000, format="FLAC")
        member = tarfile.TarInfo("0.flac")
        member.size = len(stored.getvalue())
        stored.seek(0)
        tar.addfile(member, stored)
    return root


MAKERS = {
    "librispeech": librispeech,
    "libritts": libritts,
    "commonvoice": common_voice,
    "plain": plain,
    "manifest": manifest,
}


def read(folder: Path, layout: Layout, dev_share: float = 0.0) -> tuple[list[Entry], list[Missing]]:
    found = list(read_layout(folder, layout, dev_share))
    return [f for f in found if isinstance(f, Entry)], [f for f in found if isinstance(f, Missing)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognised(tmp_path: Path, layout: Layout) -> None:
    assert detect(MAKERS[layout](tmp_path / "speech")) == layout


def test_librispeech(tmp_path: Path) -> None:
    entries, missing = read(librispeech(tmp_path / "LibriSpeech"), "librispeech")
    assert [(e.split, e.speaker, e.text, e.source) for e in entries] == [
        ("dev", "librivox-91", "HE SAID SO", "librispeech"),
        ("train", "librivox-84", "HE SAID SO", "librispeech"),
    ]
    assert [m.reason for m in missing].count("its sound file is not there") == 3
    assert [m.reason for m in missing].count(TEST_SPLIT) == 1


def test_a_part_of_librispeech_keeps_its_split(tmp_path: Path) -> None:
    entries, _ = read(librispeech(tmp_path) / "dev-clean" / "91", "librispeech")
    assert [e.split for e in entries] == ["dev"]


@pytest.mark.parametrize(("folder", "source"), [("LibriTTS", "libritts"), ("LibriTTS_R", "libritts_r")])
def test_libritts(tmp_path: Path, folder: str, source: str) -> None:
    entries, missing = read(libritts(tmp_path / folder), "libritts")
    assert [(e.split, e.speaker, e.text, e.source) for e in entries] == [
        ("dev", "librivox-91", "He said so.", source),
        ("train", "librivox-84", "He said so.", source),
    ]
    assert missing == []


def test_common_voice(tmp_path: Path) -> None:
    folder = common_voice(tmp_path / "cv-corpus" / "en")
    entries, missing = read(folder.parent, "commonvoice")
    assert [(e.split, e.source, e.lang, e.gender, e.text) for e in entries] == [
        ("train", "cv_en", "en", "female", 'He said "so'),
        ("dev", "cv_en", "en", "female", 'He said "so'),
    ]
    assert [(m.id, m.reason) for m in missing] == [
        ("c.mp3", TEST_SPLIT),
        ("d.mp3", "listed, but not in the clips folder"),
    ]


def test_common_voice_with_train_and_dev_lists_only(tmp_path: Path) -> None:
    folder = common_voice(tmp_path)
    (folder / "validated.tsv").rename(folder / "train.tsv")
    (folder / "train.tsv").write_text("".join((folder / "train.tsv").read_text().splitlines(True)[:2]))
    assert [e.split for e in read(folder, "commonvoice")[0]] == ["train", "dev"]
    (folder / "train.tsv").write_text("path\tsentence\n")
    with pytest.raises(ConfigError, match=r"train\.tsv: no column client_id"):
        read(folder, "commonvoice")


def test_a_plain_folder_gives_speakers_by_sub_folder(tmp_path: Path) -> None:
    entries, _ = read(plain(tmp_path / "mine"), "plain")
    assert [(e.id, e.speaker, e.source) for e in entries] == [
        ("mine/anna/more/1.wav", "mine/anna", "mine"),
        ("mine/ben/more/1.wav", "mine/ben", "mine"),
    ]


def test_talkers_stay_in_their_split_and_the_share_is_kept() -> None:
    splits = {f"t{n}": dev_by_hash(f"t{n}", 0.1) for n in range(5000)}
    assert 400 < list(splits.values()).count("dev") < 600
    # More dev talkers never send one back to train.
    assert all(dev_by_hash(name, 0.2) == "dev" for name, split in splits.items() if split == "dev")


def test_one_talker_alone_is_for_training(tmp_path: Path) -> None:
    sound(tmp_path / "anna" / "1.wav")
    assert [e.split for e in read(tmp_path, "plain", 1.0)[0]] == ["train"]


def test_a_manifest_with_slices_that_did_not_come(tmp_path: Path) -> None:
    folder = manifest(tmp_path / "speech")
    entries, missing = read(folder, "manifest")
    assert [(e.id, e.lang, e.gender, e.text) for e in entries] == [("i0", "de", "f", "JA")]
    assert [m.reason for m in missing] == ["its slice ends before it"] + 2 * ["its slice is not there"]
    (folder / "train-00.tar").write_bytes(b"no tar" * 200)
    assert read(folder, "manifest")[1][0].reason == "its slice is damaged, or not a plain tar"


@pytest.mark.parametrize("layout", ["manifest", "librispeech", "libritts", "commonvoice"])
def test_a_forced_layout_that_is_not_there_is_named(tmp_path: Path, layout: Layout) -> None:
    with pytest.raises(ConfigError, match=r"not a .* folder|needs one"):
        read(plain(tmp_path / "speech"), layout)


def test_nothing_to_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no sound files"):
        detect(tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        detect(tmp_path / "none")


@pytest.mark.speech
def test_the_shared_folder_is_read_by_its_manifest(speech_folder: Path) -> None:
    assert detect(speech_folder) == "manifest"
    entries, missing = read(speech_folder, "manifest")
    assert len(entries) > 1000
    assert missing == []
    assert {e.split for e in entries} == {"train", "dev"}
