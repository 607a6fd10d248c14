"""One TOML file per training run: every number that shapes the result, strictly checked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.codec.spec import CodecSpec
from gateway.config import StrictModel

Part = Literal["encoder", "codebook", "decoder", "vocoder"]
"""What can be trained or frozen: `encoder` reaches up to the digits (with the quantiser's input projections),
`codebook` is what digits mean in latent space on both sides, `decoder` makes mels of it, `vocoder` sound of mels."""


_FIRST = CodecSpec()


class ModelRecipe(StrictModel):
    """Sizes of the networks, as in `CodecSpec`; the defaults are those that the released weights began with."""

    widths: tuple[int, int, int] = _FIRST.widths
    encoder_depths: tuple[int, int, int] = _FIRST.encoder_depths
    decoder_depths: tuple[int, int, int] = _FIRST.decoder_depths
    expansion: int = _FIRST.expansion
    kernel: int = _FIRST.kernel
    heads: int = _FIRST.heads
    memory_frames: int = _FIRST.memory_frames
    vocoder_width: int = _FIRST.vocoder_width
    vocoder_depth: int = _FIRST.vocoder_depth

    def spec(self) -> CodecSpec:
        return CodecSpec(**self.model_dump())


class AugmentRecipe(StrictModel):
    """Chances (0..1) and ranges of what is done to the encoder's input; the target stays clean."""

    speed_chance: float = 0.4
    speed_range: tuple[float, float] = (0.88, 1.14)
    formant_chance: float = 0.0
    """Of a longer or shorter vocal tract at the same pitch (warp.py); speed moves pitch and formants together."""
    formant_range: tuple[float, float] = (0.88, 1.14)
    gain_db: float = 3.0
    noise_chance: float = 0.5
    snr_db: tuple[float, float] = (5.0, 30.0)
    equaliser_chance: float = 0.4
    equaliser_db: float = 6.0
    hand_microphone_chance: float = 0.1
    reverb_chance: float = 0.25
    reverb_s: tuple[float, float] = (0.1, 0.5)
    overdrive_chance: float = 0.0
    """Of a microphone, sound card or radio turned up too far: peaks are cut off `overdrive_db` below the highest."""
    overdrive_db: tuple[float, float] = (3.0, 15.0)
    suppressed_chance: float = 0.0
    """Of a station's noise suppressor between microphone and encoder (extra denoise)."""


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
    """Weights of the acoustic loss terms; a term of weight 0 that costs anything is not computed."""

    mel: float = 3.0
    balance: float = 0.0
    """Means of mel bands over a clip: against what a recogniser does not mind and people hear."""
    features: float = 2.0
    """Frozen Whisper encoder layers on decoded against clean mels."""
    semantic: float = 0.5
    """Whisper's features guessed from the latents by a linear head."""
    usage: float = 0.05
    words: float = 0.0
    """Whisper's next-token distribution on decoded against clean mels (words.py)."""
    spelling: float = 0.0
    """CTC of the characters that Whisper hears, by a linear head on the latents."""
    found: float = 0.0
    """Minus the log-probability of digits found by search, under the encoder as a policy (`PolicyRecipe.sharpness`)."""


class SearchRecipe(StrictModel):
    """Digits found by gradient on the decoder as it stands, as the encoder's search finds them (codec/search.py)."""

    share: float = Field(default=0.0, ge=0, le=1)
    """Of a batch's clips: their decoder learns from found digits, their encoder to guess these (`LossRecipe.found`)."""
    steps: int = Field(default=4, ge=1)
    rate: float = 0.2
    """Of the first step, before tanh."""
    features: float = 1.5
    """Weight of the recogniser's features against log-mel L1."""


class SoundRecipe(StrictModel):
    """Vocoder: weights of its loss terms, and what it learns from."""

    stft: float = 1.0
    mel: float = 0.0
    balance: float = 0.0
    features: float = 0.0
    words: float = 0.0
    """As in `LossRecipe`, of the made sound's mels; against clean ones, too, not against those that it was made of: the
    decoder's have a ripple over the bands that pleases the recogniser, and whistles."""
    adversarial: float = 0.0
    feature_matching: float = 0.0
    adversarial_from: int = 0
    """Step at which the discriminators begin to count; they learn from the first on."""
    discriminator_rate: float = 2e-4
    discriminator_width: int = 16
    decoded_share: float = 0.0
    """Share of clips whose mels went through the codec first."""


class PolicyRecipe(StrictModel):
    """Reinforcement (reinforce.py): the quantiser as a policy, GRPO on the recogniser's word errors."""

    group: int = Field(default=8, ge=2)
    """Rollouts a clip."""
    weight: float = 10.0
    sharpness: float = 5.0
    """Logits of a digit's levels are -sharpness d^2, d the distance in levels (ClariCodec, arXiv 2605.19541)."""
    errors: float = 1.0
    """Weight of what is heard wrong in a clip's reward; with 0 rollouts need not be read, which takes most time."""
    characters: float = 0.5
    """Share of character errors in that; the rest is word errors."""
    likelihood: float = 0.2
    """Weight in the reward of the mean log-probability (nats a token) of the clean words: dense where words are not."""
    credit: float = 0.0
    """Weight of the log-probability of every clean word, for the frames in which it is said alone (credit.py), beside
    the clip's reward for all frames."""


class TrainRecipe(StrictModel):
    """A run: `task` is what is trained, `steps` how long, of which the last `decay_steps` lower the rate to zero."""

    task: Literal["acoustic", "vocoder", "whole", "reinforce"]
    seed: int = 1
    steps: int = Field(gt=0)
    decay_steps: int = Field(ge=0)
    warmup_steps: int = 300
    batch: int = 8
    """Clips a step on each process."""
    clip_frames: int = 48
    """Code frames of 80 ms in a training clip."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    ema: float = 0.999
    device: Literal["auto", "cpu", "cuda"] = "auto"
    bf16: bool = True
    compile: bool = True
    threads: int = 2
    workers: int = Field(default=0, ge=0)
    """Processes that draw clips ahead, for GPUs that would wait for them; 0: none, each step draws its own."""
    lookahead_chances: tuple[float, float, float] = (0.1, 0.3, 0.6)
    elder_share: float = Field(default=0.0, ge=0, le=1)
    """Of a batch's clips: their digits come from the codec that the run began with, so that the decoder goes on reading
    what stations send that have not got the new weights."""
    train: dict[Part, int] = Field(default={})
    """Parts that learn and the step from which they do; what a task trains by default when empty."""
    checkpoint_minutes: float = 4.0
    sample_steps: int = 0
    """Every so many steps dev clips go through the codec into the run folder as sound and pictures; 0 for never."""
    model: ModelRecipe | None = None
    """When left out: the sizes of what the run starts from, and the defaults where it starts from nothing."""
    augment: AugmentRecipe = AugmentRecipe()
    channel: ChannelRecipe = ChannelRecipe()
    loss: LossRecipe = LossRecipe()
    search: SearchRecipe = SearchRecipe()
    sound: SoundRecipe = SoundRecipe()
    policy: PolicyRecipe = PolicyRecipe()
