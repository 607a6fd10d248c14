"""The codec's fixed numbers and the shape of one set of weights.

Rule: what a decoder must know to read the bits is here and travels inside the checkpoint.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from gateway.errors import CheckpointError

SAMPLE_RATE = 16_000
HOP = 160
"""Samples between mel frames: 10 ms."""
WINDOW = 400
"""Samples of the analysis and synthesis window: 25 ms, as in Whisper's front end."""
MELS = 80
FRAME_HOPS = 8
"""Mel frames in one code frame."""
FRAME_SAMPLES = HOP * FRAME_HOPS
"""Samples in one code frame: 80 ms."""
FRAME_BYTES = 3
STAGES = 2
DIGITS_PER_STAGE = 4
LEVELS = 8
DIGITS = STAGES * DIGITS_PER_STAGE
SYNTHESIS_DELAY = WINDOW - HOP
"""Samples by which the decoder's stream lags the encoder's input: the overlap of the window."""

CODEC_ID = 1
CODEC_VERSION = 1


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """Sizes of the networks; `widths` are the channels at 50, 25 and 12.5 Hz."""

    codec_id: int = CODEC_ID
    codec_version: int = CODEC_VERSION
    widths: tuple[int, int, int] = (96, 192, 384)
    encoder_depths: tuple[int, int, int] = (2, 3, 2)
    decoder_depths: tuple[int, int, int] = (2, 3, 2)
    expansion: int = 3
    kernel: int = 7
    heads: int = 6
    memory_frames: int = 64
    """Latent frames of speaker memory the attention layers see: 64 are 5.1 s."""
    max_lookahead: int = 2
    default_lookahead: int = 1
    vocoder_width: int = 256
    vocoder_depth: int = 5

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CodecSpec:
        """Read a spec; raises CheckpointError for unknown keys or a codec this program does not know."""
        try:
            values = json.loads(text)
            sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            spec = cls(**sizes)
        except (ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"codec spec in the checkpoint is not readable: {error}") from error
        if spec.codec_id != CODEC_ID or spec.codec_version > CODEC_VERSION:
            raise CheckpointError(
                f"checkpoint holds codec {spec.codec_id} version {spec.codec_version}; "
                f"this program runs codec {CODEC_ID} up to version {CODEC_VERSION}"
            )
        return spec


def algorithmic_delay_ms(lookahead: int) -> float:
    """Delay from a sample going in to the same sample coming out, computation aside, in ms.

    One frame plus `lookahead` frames are gathered; the synthesis window overlaps by WINDOW - HOP samples:
    (160 * (8 * (L + 1) - 1) + 400) / 16.
    """
    return (HOP * (FRAME_HOPS * (lookahead + 1) - 1) + WINDOW) / (SAMPLE_RATE / 1000)
