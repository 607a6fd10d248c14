"""Signals as packets: find the chirps, measure delay spread and Doppler, read the symbols.

Rule: pure, and knows nothing but the signal: no time, length or channel is handed in. What is not found is told apart
from what is found damaged, for a link counts them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gateway.waveform import figures, layout
from gateway.waveform.figures import CHIRP_SAMPLES, FFT_SAMPLES, PREFIX_SAMPLES, SAMPLE_RATE_HZ, SYMBOL_SAMPLES, Coding
from gateway.waveform.resample import ComplexArray, Resampler
from gateway.waveform.transmit import carrier_bins, chirp

DETECTION = 0.03
"""Least share of the energy where the two chirps are sought that has their shape. Noise alone has 1/128 on average, and
reaches this in one window of a second in about 50; a header's CRC then passes 1 in 256."""
_MARGIN = 8
"""Samples of the guard kept free on either side of the echoes, for what Doppler moves."""
MAX_STEPS = 2
"""Doppler is sought up to this many carrier spacings and a half either way: 78 Hz, 9.8 m/s at 12 kHz."""
_CHIRP_S = CHIRP_SAMPLES / SAMPLE_RATE_HZ


class Missed(Enum):
    """Why nothing was read."""

    NO_PREAMBLE = "no_preamble"
    BAD_HEADER = "bad_header"
    CUT_SHORT = "cut_short"


@dataclass(frozen=True, slots=True)
class Heard:
    """A packet as it was read, right or wrong.

    `llr` (8 * len(data)): log of P(0)/P(1) of each bit. `start` is the sample where it begins, `snr_db` that on the
    carriers, on average, `doppler_hz` at the band's middle, positive when the ends draw near.
    """

    data: bytes
    llr: NDArray[np.float64]
    start: int
    snr_db: float
    doppler_hz: float

    def one_probability(self) -> tuple[float, ...]:
        """How probably each bit is 1."""
        return tuple((1 / (1 + np.exp(np.clip(self.llr, -30, 30)))).tolist())


def receive(signal: ComplexArray, coding: Coding, centre_hz: float = figures.CENTRE_HZ) -> Heard | Missed:
    """The clearest packet in `signal` (samples,)."""
    found = _find(signal)
    if found is None:
        return Missed.NO_PREAMBLE
    start, coarse_hz = found
    reader = Resampler(signal[max(0, start - PREFIX_SAMPLES) :], SAMPLE_RATE_HZ)
    begin_s = min(start, PREFIX_SAMPLES) / SAMPLE_RATE_HZ
    tries = coarse_hz + figures.SPACING_HZ * np.arange(-MAX_STEPS, MAX_STEPS + 1)
    # Which of the frequencies that give the chirps the same phase is the right one: the reference symbol tells.
    doppler_hz = float(max(tries, key=lambda hz: _focus(_symbols(reader, begin_s, 0, 1, hz, centre_hz)[0])))
    first = _symbols(reader, begin_s, 0, 2, doppler_hz, centre_hz)
    products = first[1:] * first[:-1].conj()
    n_bytes = layout.read_header(_llr(products)[0])
    if not n_bytes:
        return Missed.BAD_HEADER
    count = figures.payload_symbols(n_bytes, coding)
    last = start + figures.FIRST_SYMBOL + (2 + count) * SYMBOL_SAMPLES
    if last > len(signal) + PREFIX_SAMPLES:
        return Missed.CUT_SHORT
    rest = _symbols(reader, begin_s, 2, count, doppler_hz, centre_hz)
    symbols = np.concatenate([first, rest])
    products = symbols[1:] * symbols[:-1].conj()
    # What Doppler is left turns all carriers alike; squaring takes the bits away.
    turn = np.angle((products**2).sum()) / 2
    products *= np.exp(-1j * turn)
    doppler_hz += turn / (2 * np.pi) * SAMPLE_RATE_HZ / SYMBOL_SAMPLES
    llr, noise = _llr(products)
    bits = layout.read_payload(llr[1:], n_bytes, coding)
    data = np.packbits(bits < 0).tobytes()
    signs = 1.0 - 2.0 * np.concatenate([layout.header_bits(n_bytes), layout.payload_bits(data, coding)])
    power = float(np.mean(np.abs(symbols) ** 2))
    wanted = min(max(float(np.mean(products.real * signs)), 1e-3 * power), (1 - 1e-4) * power)
    # Where bits are right, as after decoding, this is a better measure of the noise than that across the line.
    unwanted = power - wanted
    snr_db = 10 * float(np.log10(wanted / unwanted))
    return Heard(data, bits * noise / unwanted, start, snr_db, doppler_hz)


def _find(signal: ComplexArray) -> tuple[int, float] | None:
    """Sample at which the packet begins (the window of its echoes, rather), and Doppler to within a carrier spacing."""
    sweep = chirp()
    if len(signal) < 3 * CHIRP_SAMPLES:
        return None
    size = 1 << (len(signal) + CHIRP_SAMPLES - 1).bit_length()
    matched = np.fft.ifft(np.fft.fft(signal, size) * np.fft.fft(sweep, size).conj())[: len(signal) - CHIRP_SAMPLES + 1]
    first, second = matched[:-CHIRP_SAMPLES], matched[CHIRP_SAMPLES:]
    power = np.abs(first) ** 2 + np.abs(second) ** 2
    before = np.concatenate([[0.0], np.cumsum(np.abs(signal) ** 2)])
    energy = (before[2 * CHIRP_SAMPLES :] - before[: -2 * CHIRP_SAMPLES])[: len(power)]
    # Both chirps must be there: the square of the lesser keeps the second from being taken for the first.
    both = 2 * np.minimum(np.abs(first), np.abs(second)) ** 2
    peak = int(np.argmax(both))
    if not power[peak] > DETECTION * CHIRP_SAMPLES * energy[peak]:
        return None
    window = PREFIX_SAMPLES - 2 * _MARGIN
    low = max(0, peak - window + 1)
    sums = np.convolve(power[low : peak + window], np.ones(window), "valid")
    begin = low + int(np.argmax(sums))
    echoes = slice(begin, begin + window)
    strong = power[echoes] > 0.2 * power[peak]
    phase = np.angle((second[echoes] * first[echoes].conj())[strong].sum())
    return begin - _MARGIN, float(phase / (2 * np.pi * _CHIRP_S))


def _symbols(
    reader: Resampler, begin_s: float, first: int, count: int, doppler_hz: float, centre_hz: float
) -> ComplexArray:
    """(count, CARRIERS) amplitudes of symbols from the one numbered `first` on, with Doppler taken out."""
    places = figures.FIRST_SYMBOL + (first + np.arange(count)) * SYMBOL_SAMPLES + PREFIX_SAMPLES
    t = (places[:, None] + np.arange(FFT_SAMPLES)[None, :]) / SAMPLE_RATE_HZ
    squeeze = doppler_hz / centre_hz
    heard_s = t / (1 + squeeze)
    samples = reader.at((begin_s + heard_s).reshape(-1)).reshape(t.shape) * np.exp(-2j * np.pi * doppler_hz * heard_s)
    return np.asarray(np.fft.fft(samples, axis=1)[:, carrier_bins()] / FFT_SAMPLES)


def _focus(reference: ComplexArray) -> float:
    """Share of the energy of the impulse response, as the reference symbol gives it, within one guard."""
    spectrum = np.zeros(FFT_SAMPLES, np.complex128)
    spectrum[carrier_bins()] = reference * layout.reference_signs()
    response = np.abs(np.fft.ifft(spectrum)) ** 2
    before = np.concatenate([[0.0], np.cumsum(np.concatenate([response, response[:PREFIX_SAMPLES]]))])
    return float((before[PREFIX_SAMPLES:] - before[:-PREFIX_SAMPLES]).max() / max(before[FFT_SAMPLES], 1e-300))


def _llr(products: ComplexArray) -> tuple[NDArray[np.float64], float]:
    """(symbols, CARRIERS) z_m z*_{m-1} -> log P(0)/P(1) of each bit, and the noise power on a carrier.

    With amplitude A known and phase not, the ratio is I0(2 A |z_m + z_{m-1}| / noise) to I0 of the difference; to first
    order around a tie, where errors come from, that is linear in the real part of the product. Across the line of the
    two phases that are sent lies noise alone, whatever was sent.
    """
    sizes = np.sqrt(np.maximum(np.abs(products), 1e-300))
    noise = float(np.mean((products.imag / sizes) ** 2))
    return 2 * np.sqrt(2) * products.real / max(noise, 1e-300), noise
