"""`make demo`: the main job on real input, through a clean and a lossy satellite channel, into demo-out/."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gateway.audio.files import read_audio, write_wav
from gateway.channel.spec_file import load_channel
from gateway.codec import Codec
from gateway.errors import GatewayError
from gateway.samples import sample_path
from gateway.tools.loopback import human_report, run_loopback
from gateway.tools.plots import plot_in_and_out

OUT = Path("demo-out")
CHANNELS = ("clean", "lossy-satellite")
HUMAN_SECONDS = (5.0, 9.0)


def human_clip(folder: Path) -> tuple[str, NDArray[np.float32]] | None:
    """A dev clip of a native adult from the shared speech folder, or None where that folder is absent."""
    manifest = folder / "manifest.tsv"
    if not manifest.is_file():
        return None
    with manifest.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            fits = HUMAN_SECONDS[0] <= float(row["seconds"]) <= HUMAN_SECONDS[1]
            if (
                row["split"] == "dev"
                and row["native"] == "yes"
                and row["age_group"] == "adult"
                and fits
                and row["text"]
            ):
                with tarfile.open(folder / row["slice"]) as tar:
                    stored = tar.extractfile(row["member"])
                    if stored is None:
                        return None
                    path = OUT / "human-original.ogg"
                    path.write_bytes(io.BytesIO(stored.read()).getvalue())
                    return row["text"], read_audio(path)
    return None


def main() -> None:
    """Write WAVs, pictures and reports; say in a few lines what to listen to."""
    torch.set_num_threads(1)
    OUT.mkdir(exist_ok=True)
    codec = Codec.load()
    inputs: list[tuple[str, NDArray[np.float32]]] = [("sample", read_audio(sample_path()))]
    folder = Path(os.environ.get("CLARILINK_SPEECH", "../shared/speech"))
    human = human_clip(folder)
    if human is not None:
        inputs.append(("human", human[1]))
    for name, pcm in inputs:
        write_wav(OUT / f"{name}-original.wav", [pcm])
        for channel in CHANNELS:
            result = run_loopback(codec, pcm, load_channel(channel))
            stem = f"{name}-{channel}"
            write_wav(OUT / f"{stem}.wav", [result.heard])
            (OUT / f"{stem}.json").write_text(json.dumps(result.report.as_dict(), indent=2) + "\n")
            plot_in_and_out(OUT / f"{stem}.png", pcm, result.heard, list(result.concealed), stem)
            print(f"--- {stem}\n{human_report(result.report)}\n")
    print(f"Everything is in {OUT}/. Listen to:")
    print("  sample-original.wav          the packaged sample (synthetic voice), as it went in")
    print("  sample-clean.wav             the same after 300 bit/s and no loss")
    print("  sample-lossy-satellite.wav   the same over a satellite link that loses packets: gaps are concealed")
    if human is None:
        print(f"  (no human clip: {folder} is not there)")
    else:
        print(f"  human-original.wav           a person says: {human[0].lower()}")
        print("  human-clean.wav, human-lossy-satellite.wav   that person at 300 bit/s; the pictures show both ends")


if __name__ == "__main__":
    try:
        main()
    except GatewayError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(1)
