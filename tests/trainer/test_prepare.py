"""Preparing: deterministic, whole or not there, done once, and every clip left out counted."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import soundfile

from gateway.errors import AudioError, ConfigError
from gateway.trainer import decoding
from gateway.trainer import prepare as prepare_module
from gateway.trainer.data import Corpus
from gateway.trainer.decoding import Clip, Skip, decode_all
from gateway.trainer.layouts import Entry, read_layout
from gateway.trainer.prepare import PrepareOptions, prepare, prepare_noise


def talkers(root: Path, count: int = 3, clips: int = 4) -> Path:
    rng = np.random.default_rng(count)
    for talker in range(count):
        (root / f"t{talker}").mkdir(parents=True)
        for clip in range(clips):
            pcm = 0.1 * rng.standard_normal(4000 + 100 * clip)
            soundfile.write(root / f"t{talker}" / f"{clip}.flac", pcm, 22_050)
    return root


def stored(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    speech = talkers(tmp_path / "speech", 4, 12)
    for workers in (1, 3):
        prepare(speech, tmp_path / f"out{workers}", PrepareOptions(workers=workers))
    assert stored(tmp_path / "out1") == stored(tmp_path / "out3")
    assert len(Corpus(tmp_path / "out1").utterances) == 48


def test_several_folders_become_one(tmp_path: Path) -> None:
    folders = [talkers(tmp_path / "a", 2), talkers(tmp_path / "b", 3)]
    report = prepare(folders, tmp_path / "out", PrepareOptions(dev_share=0.0))
    assert [(p[0], p[1], p[3]) for p in report.parts] == [("a", "train", 8), ("b", "train", 12)]
    corpus = Corpus(tmp_path / "out")
    assert len({u.id for u in corpus.utterances}) == 20
    assert len({u.speaker for u in corpus.utterances}) == 5
    assert sum(u.samples for u in corpus.utterances) == len(corpus.audio)
    assert any("no dev clips" in line for line in report.lines())


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    speech = talkers(tmp_path / "speech")
    (speech / "t0" / "junk.wav").write_bytes(b"not a sound")
    (speech / "t0" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (speech / "t1" / "empty.ogg").touch()
    damaged = (speech / "t1" / "0.flac").read_bytes()
    (speech / "t1" / "0.flac").write_bytes(damaged[: len(damaged) // 2])
    report = prepare(speech, tmp_path / "out")
    assert report.skipped == {"not readable as sound": 3, "holds no samples": 1}
    assert any("junk.wav: not a sound file" in line for line in report.lines())
    assert len(Corpus(tmp_path / "out").utterances) == 11


def test_very_long_sounds_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LONGEST_S", 1)
    speech = talkers(tmp_path / "speech")
    soundfile.write(speech / "t0" / "long.wav", np.zeros(3 * 65_536), 16_000)
    report = prepare(speech, tmp_path / "out")
    assert list(report.skipped.values()) == [1]
    assert next(iter(report.skipped)).startswith("longer than")


def test_a_second_call_does_nothing_until_something_changes(tmp_path: Path) -> None:
    speech, noise, out = talkers(tmp_path / "speech"), talkers(tmp_path / "noise", 1), tmp_path / "out"
    first = prepare(speech, out, PrepareOptions(noise=noise))
    assert not first.up_to_date
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    second = prepare(speech, out, PrepareOptions(noise=noise))
    assert second.up_to_date
    assert second.lines() == first.lines()
    assert before == {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    # Other noise leaves the speech as it is, other speech leaves the noise.
    third = prepare(speech, out, PrepareOptions(noise=talkers(tmp_path / "other", 2)))
    assert third.noise_s > 1.5 * first.noise_s
    assert (out / "audio.i16").stat().st_mtime_ns == before["audio.i16"]
    noise_then = (out / "noise.i16").read_bytes()
    talkers(speech / "more", 1)
    fourth = prepare(speech, out)
    assert sum(p[3] for p in fourth.parts) == 16
    assert fourth.noise_s == third.noise_s
    assert (out / "noise.i16").read_bytes() == noise_then
    assert not prepare(speech, out, PrepareOptions(dev_share=0.5)).up_to_date


def test_an_interrupted_call_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    speech, out = talkers(tmp_path / "speech"), tmp_path / "out"

    def interrupted(*arguments: object) -> object:
        yield from islice(decode_all(*arguments), 5)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with mock.patch.object(prepare_module, "decode_all", interrupted), pytest.raises(KeyboardInterrupt):
        prepare(speech, out)
    assert list(out.iterdir()) == []
    prepare(speech, out)
    (out / ".audio.i16.part").write_bytes(b"left by a call that was killed")
    before = stored(out)
    talkers(speech / "more", 1)
    with mock.patch.object(prepare_module, "decode_all", interrupted), pytest.raises(KeyboardInterrupt):
        prepare(speech, out)
    del before[".audio.i16.part"]
    assert stored(out) == before


def test_an_index_is_never_beside_other_audio(tmp_path: Path) -> None:
    speech, out = talkers(tmp_path / "speech"), tmp_path / "out"
    prepare(speech, out)
    talkers(speech / "more", 1)
    whole = Path.replace

    def killed_before_the_index(self: Path, target: Path) -> Path:
        if target.name == "index.jsonl":
            raise KeyboardInterrupt
        return whole(self, target)

    with mock.patch.object(Path, "replace", killed_before_the_index), pytest.raises(KeyboardInterrupt):
        prepare(speech, out)
    assert not (out / "index.jsonl").exists()
    assert not prepare(speech, out).up_to_date
    assert len(Corpus(out).utterances) == 16


def test_only_some_clips_are_under_way_at_a_time(tmp_path: Path) -> None:
    taken = 0
    speech = talkers(tmp_path / "speech", 1, 1)
    (entry,) = read_layout(speech, "plain", 0.0)
    assert isinstance(entry, Entry)

    def counted() -> object:
        nonlocal taken
        for taken in range(1, 1001):  # noqa: B007
            yield entry

    results = decode_all(counted(), 2)  # type: ignore[arg-type]
    assert isinstance(next(results)[1], Clip)
    assert taken <= 64
    results.close()  # type: ignore[attr-defined]


def test_mistakes_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for call in (prepare, prepare_noise):
        with pytest.raises(ConfigError, match="empty: no sound files"):
            call(tmp_path / "empty", tmp_path / "out")  # type: ignore[operator]
    (tmp_path / "junk" / "t").mkdir(parents=True)
    (tmp_path / "junk" / "t" / "a.wav").write_bytes(b"not a sound")
    with pytest.raises(ConfigError, match=r"no sound could be read \(1 not readable as sound"):
        prepare(tmp_path / "junk", tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(AudioError, match="file"):
        prepare(talkers(tmp_path / "speech"), tmp_path / "file")


@pytest.mark.speech
def test_the_shared_folder_decodes_to_the_lengths_of_its_manifest(speech_folder: Path, tmp_path: Path) -> None:
    import csv

    with (speech_folder / "manifest.tsv").open(newline="", encoding="utf-8") as file:
        seconds = {r["id"]: float(r["seconds"]) for r in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    for entry, got in decode_all(islice(read_layout(speech_folder, "manifest", 0.0), 8), 1):
        assert not isinstance(got, Skip)
        assert isinstance(entry, Entry)
        assert len(got.samples) / 16_000 == pytest.approx(seconds[entry.id], abs=0.1)
        assert np.abs(got.samples).max() > 30


def test_an_old_folder_without_a_report_stays_readable(tmp_path: Path) -> None:
    speech, out = talkers(tmp_path / "speech"), tmp_path / "out"
    prepare(speech, out)
    (out / "prepared.json").unlink()
    assert len(Corpus(out).utterances) == 12
    assert not prepare(speech, out).up_to_date
    assert json.loads((out / "prepared.json").read_text())["report"]["skipped"] == {}
