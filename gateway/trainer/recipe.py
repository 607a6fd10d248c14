"""One TOML file per training run: every number that shapes the result, strictly checked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.config import StrictModel


class AugmentRecipe(StrictModel):
    """Chances (0..1) and ranges of what is done to the encoder's input; the target stays clean."""

    speed_chance: float = 0.4
    speed_range: tuple[float, float] = (0.88, 1.14)
    gain_db: float = 3.0
    noise_chance: float = 0.5
    snr_db: tuple[float, float] = (5.0, 30.0)
    equaliser_chance: float = 0.4
    equaliser_db: float = 6.0
    hand_microphone_chance: float = 0.1
    reverb_chance: float = 0.25
    reverb_s: tuple[float, float] = (0.1, 0.5)


class ChannelRecipe(StrictModel):
    """What the digits suffer between encoder and decoder; chances are per clip."""

    stage_one_only_chance: float = 0.1
    bit_error_chance: float = 0.0
    bit_error_rate: tuple[float, float] = (0.0, 0.05)
    erasure_chance: float = 0.0
    erasure_share: tuple[float, float] = (0.0, 0.15)
    erasure_burst: float = 6.0
    """Mean burst of erased frames: a 480 ms packet holds 6."""


class LossRecipe(StrictModel):
    """Weights of the loss terms."""

    mel: float = 3.0
    features: float = 2.0
    semantic: float = 0.5
    usage: float = 0.05
    words: float = 0.0
    """Whisper's next-token distribution on decoded against clean mels (words.py)."""


class TrainRecipe(StrictModel):
    """A run: `task` is what is trained, `steps` how long, of which the last `decay_steps` lower the rate to zero."""

    task: Literal["acoustic", "vocoder"]
    seed: int = 1
    steps: int = Field(gt=0)
    decay_steps: int = Field(ge=0)
    warmup_steps: int = 300
    batch: int = 8
    clip_frames: int = 48
    """Code frames of 80 ms in a training clip."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    ema: float = 0.999
    bf16: bool = True
    compile: bool = True
    threads: int = 2
    lookahead_chances: tuple[float, float, float] = (0.1, 0.3, 0.6)
    decoded_share: float = 0.0
    """Vocoder only: share of clips whose mels went through the codec first."""
    train_parts: tuple[str, ...] = ()
    """Acoustic only: parts of the model that learn; all of encoder, quantizer and decoder when empty."""
    checkpoint_minutes: float = 4.0
    augment: AugmentRecipe = AugmentRecipe()
    channel: ChannelRecipe = ChannelRecipe()
    loss: LossRecipe = LossRecipe()
