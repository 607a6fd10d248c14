"""The networks of one codec together: what a checkpoint holds and a trainer trains."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gateway.codec.decoder import Decoder
from gateway.codec.encoder import Encoder
from gateway.codec.mel import MelFrontEnd
from gateway.codec.quantizer import Quantized, ResidualFsq
from gateway.codec.spec import HOP, SYNTHESIS_DELAY, CodecSpec
from gateway.codec.vocoder import Vocoder


class CodecModel(nn.Module):
    """Front end, encoder, quantiser, decoder and vocoder as plain modules; streaming lives in `codec.py`."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spec = spec
        self.mel = MelFrontEnd()
        self.encoder = Encoder(spec)
        self.quantizer = ResidualFsq(spec.widths[2])
        self.decoder = Decoder(spec)
        self.vocoder = Vocoder(spec)

    def mels(self, pcm: Tensor) -> Tensor:
        """(batch, samples) to (batch, samples / 160, 80) on a fresh state."""
        return torch.as_tensor(self.mel(pcm, self.mel.initial_state(pcm.shape[0]))[0])

    def encode_mels(self, mel: Tensor, gates: Tensor) -> Quantized:
        """Whole clips of mels to digits; see `Encoder.train_path` for `gates`."""
        result: Quantized = self.quantizer(self.encoder.train_path(mel, gates))
        return result

    def decode_values(self, values: Tensor, doubt: Tensor) -> Tensor:
        """Digit values and doubt (batch, n, 8) to mels (batch, 8 n, 80) on a fresh state."""
        latent = self.quantizer.restore(values, doubt)
        return torch.as_tensor(self.decoder(latent, self.decoder.initial_state(values.shape[0]))[0])

    def sound(self, mel: Tensor) -> Tensor:
        """Mels (batch, n, 80) to the samples of all but the last two, (batch, 160 (n - 2)), on a fresh state.

        Without the vocoder's lag, so that mels of them stand beside `mel`.
        """
        wave, _ = self.vocoder(mel, self.vocoder.initial_state(mel.shape[0]))
        return torch.as_tensor(wave[:, SYNTHESIS_DELAY : SYNTHESIS_DELAY + (mel.shape[1] - 2) * HOP])
