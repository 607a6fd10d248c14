"""Speech folders as people have them on disk: which layout one is, and what its clips, talkers, texts and splits are.

Rule: readers name sounds and never open them; what a list promises and the disk does not hold is reported, not fatal.

| layout | what is found | split |
|---|---|---|
| manifest | manifest.tsv beside tar slices | its own column |
| librispeech | SPEAKER/CHAPTER/*.flac, *.trans.txt (openslr.org/12) | folder names train-*, dev-*; test-* is left out |
| libritts | *.normalized.txt beside *.wav, also LibriTTS-R (openslr.org/60, 141) | the same |
| commonvoice | clips/*.mp3, validated.tsv or train.tsv | clients of dev.tsv; those of test.tsv are left out |
| plain | any sound files; the first sub-folder is the talker | a hash of the talker |
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from gateway.errors import ConfigError

SOUND_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3"})
TEST_SPLIT = "belongs to a test split"
_MANIFEST_COLUMNS = {"slice", "member", "id", "source", "speaker", "lang", "split", "text"}

Layout = Literal["manifest", "librispeech", "libritts", "commonvoice", "plain"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


@dataclass(frozen=True, slots=True)
class Entry:
    """One sound to be decoded: a file, or the `size` bytes at `start` of a tar (`size` -1 means the whole file)."""

    id: str
    source: str
    speaker: str
    lang: str
    split: str
    text: str
    path: Path
    gender: str = ""
    start: int = 0
    size: int = -1


@dataclass(frozen=True, slots=True)
class Missing:
    """A clip that will not be had, and the kind of reason why."""

    id: str
    reason: str


Found = Iterator[Entry | Missing]


def is_sound(name: str) -> bool:
    """Whether a file name ends as sound files do."""
    return os.path.splitext(name)[1].lower() in SOUND_SUFFIXES  # noqa: PTH122 (a Path for each of 1e6 names is slow)


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder from `folder` down with its file names, all in sorted order; names with a leading dot left out."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(root), sorted(name for name in files if not name.startswith("."))


def dev_by_hash(speaker: str, share: float) -> str:
    """`dev` for about `share` of all talkers, `train` for the rest: the same for a name whatever others there are."""
    value = int.from_bytes(hashlib.sha256(speaker.encode()).digest()[:8], "big") / 2**64
    return "dev" if value < share else "train"


def detect(folder: Path) -> Layout:
    """The layout of `folder`; raises ConfigError if there is no such folder or no sound in it."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    if (folder / "manifest.tsv").is_file():
        return "manifest"
    if _common_voice_roots(folder):
        return "commonvoice"
    any_sound = False
    for _, names in walk(folder):
        if any(name.endswith(".trans.txt") for name in names):
            return "librispeech"
        if any(name.endswith(".normalized.txt") for name in names):
            return "libritts"
        any_sound = any_sound or any(map(is_sound, names))
    if not any_sound:
        raise ConfigError(f"{folder}: no sound files ({' '.join(sorted(SOUND_SUFFIXES))}), no manifest.tsv below it")
    return "plain"


def read_layout(folder: Path, layout: Layout, dev_share: float) -> Found:
    """Clips of `folder` in a fixed order. Raises ConfigError where the folder is not of that layout."""
    return _READERS[layout](folder, dev_share)


def _manifest(folder: Path, dev_share: float) -> Found:
    manifest = folder / "manifest.tsv"
    if not manifest.is_file():
        raise ConfigError(f"{manifest}: not found; layout manifest needs one")
    rows = {(row["slice"], row["member"]): row for row in _table(manifest, _MANIFEST_COLUMNS)}
    for slice_name in sorted({name for name, _ in rows}):
        path = folder / slice_name
        reason = "its slice is not there"
        if path.is_file():
            reason = "its slice ends before it"
            try:
                with tarfile.open(path, "r:") as tar:
                    for member in tar:
                        row = rows.pop((slice_name, member.name), None)
                        if row is not None:
                            yield _manifest_entry(row, path, member)
            except tarfile.TarError:
                reason = "its slice is damaged, or not a plain tar"
        for name in [member for tar_name, member in rows if tar_name == slice_name]:
            yield Missing(f"{slice_name}:{name}", reason)


def _manifest_entry(row: dict[str, str], path: Path, member: tarfile.TarInfo) -> Entry:
    own = {name: row[name] for name in ("id", "source", "speaker", "lang", "split", "text")}
    return Entry(**own, path=path, gender=row.get("gender", ""), start=member.offset_data, size=member.size)


def _librispeech(folder: Path, dev_share: float) -> Found:
    found = False
    for where, names in walk(folder):
        texts: dict[str, str] = {}
        for name in names:
            if name.endswith(".trans.txt"):
                lines = (where / name).read_text(encoding="utf-8", errors="replace").splitlines()
                texts.update((key, text) for key, _, text in (line.partition(" ") for line in lines))
        found = found or bool(texts)
        sounds = {Path(name).stem: name for name in names if is_sound(name)}
        for key, name in sounds.items():
            yield _book_clip("librispeech", key, texts.get(key, ""), where / name, dev_share)
        for key in texts.keys() - sounds.keys():
            yield Missing(key, "its sound file is not there")
    if not found:
        raise ConfigError(f"{folder}: no *.trans.txt below it, so not a LibriSpeech folder")


def _libritts(folder: Path, dev_share: float) -> Found:
    found = False
    for where, names in walk(folder):
        listed = set(names)
        for name in filter(is_sound, names):
            text_name = f"{Path(name).stem}.normalized.txt"
            text = ""
            if text_name in listed:
                text = (where / text_name).read_text(encoding="utf-8", errors="replace").strip()
                found = True
            source = "libritts_r" if "LibriTTS_R" in where.resolve().parts else "libritts"
            yield _book_clip(source, Path(name).stem, text, where / name, dev_share)
    if not found:
        raise ConfigError(f"{folder}: no *.normalized.txt beside a sound below it, so not a LibriTTS folder")


def _book_clip(source: str, key: str, text: str, path: Path, dev_share: float) -> Entry | Missing:
    # Both corpora cut the same LibriVox readings under the same reader numbers: one talker, one split.
    speaker = "librivox-" + re.split("[-_]", key)[0]
    named = [part.split("-")[0] for part in path.resolve().parts if re.match(r"(train|dev|test)-(clean|other)", part)]
    split = named[-1] if named else dev_by_hash(speaker, dev_share)
    if split == "test":
        return Missing(key, TEST_SPLIT)
    return Entry(f"{source}-{key}", source, speaker, "en", split, text, path)


def _common_voice_roots(folder: Path) -> list[Path]:
    """`folder` itself, or those folders of languages in it, that hold clips/ and a list of them."""
    candidates = [folder, *(sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else ())]
    return [
        root
        for root in candidates
        if (root / "clips").is_dir() and any((root / name).is_file() for name in ("validated.tsv", "train.tsv"))
    ]


def _common_voice(folder: Path, dev_share: float) -> Found:
    roots = _common_voice_roots(folder)
    if not roots:
        raise ConfigError(
            f"{folder}: no clips folder beside a validated.tsv or train.tsv, so not a Common Voice folder"
        )
    for root in roots:
        lists = {n: root / f"{n}.tsv" for n in ("validated", "train", "dev", "test") if (root / f"{n}.tsv").is_file()}
        clients = {
            split: {row["client_id"] for row in _table(lists[split], {"client_id"})} if split in lists else set[str]()
            for split in ("dev", "test")
        }
        present = set(os.listdir(root / "clips"))  # noqa: PTH208 (names only, up to 2e6 of them)
        # validated.tsv holds the other lists' clips and more of the same clients.
        for name in ("validated",) if "validated" in lists else ("train", "dev"):
            rows = _table(lists[name], {"client_id", "path", "sentence"}) if name in lists else iter(())
            for row in rows:
                file_name = row["path"] if is_sound(row["path"]) else f"{row['path']}.mp3"
                locale = row.get("locale") or (root.name if re.fullmatch("[a-z]{2,3}(-.+)?", root.name) else "en")
                client = row["client_id"]
                if file_name not in present:
                    yield Missing(file_name, "listed, but not in the clips folder")
                elif client in clients["test"]:
                    yield Missing(file_name, TEST_SPLIT)
                else:
                    split = "dev" if client in clients["dev"] else "train"
                    yield Entry(
                        id=f"cv_{locale}-{Path(file_name).stem}",
                        source=f"cv_{locale}",
                        speaker=client[:32],
                        lang=locale.split("-")[0],
                        split=split if "dev" in lists else dev_by_hash(client, dev_share),
                        text=row["sentence"],
                        path=root / "clips" / file_name,
                        gender=row.get("gender") or "",
                    )


def _plain(folder: Path, dev_share: float) -> Found:
    name = folder.resolve().name
    talkers = [p for p in folder.iterdir() if not p.name.startswith(".") and (p.is_dir() or is_sound(p.name))]
    for where, names in walk(folder):
        for path in (where / n for n in names if is_sound(n)):
            relative = path.relative_to(folder)
            speaker = f"{name}/{relative.parts[0]}"
            # A single talker's luck must not take all of the training data away.
            split = dev_by_hash(speaker, dev_share) if len(talkers) > 1 else "train"
            yield Entry(f"{name}/{relative}", name, speaker, "en", split, "", path)


def _table(path: Path, columns: set[str]) -> Iterator[dict[str, str]]:
    """Rows of a tab-separated file whose fields hold quotation marks as they are; a short row is filled with ""."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
        lacking = columns - set(reader.fieldnames or ())
        if lacking:
            raise ConfigError(f"{path}: no column {', '.join(sorted(lacking))} in its first line")
        yield from reader


_READERS: dict[Layout, Callable[[Path, float], Found]] = {
    "manifest": _manifest,
    "librispeech": _librispeech,
    "libritts": _libritts,
    "commonvoice": _common_voice,
    "plain": _plain,
}
