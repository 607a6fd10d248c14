"""A packaged speech sample, so that every command has something to work on."""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """A 16 kHz mono WAV of a ship's call; see README.md beside it for text and licence."""
    return Path(__file__).parent / "sample.wav"
