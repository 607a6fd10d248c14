"""Error rates of the waveform in still water with white noise, calculated: what simulations are held against.

Rule: exact where it says so, and nothing is drawn. `snr_db` is that within the band, which is also the energy of a
carrier's symbol (prefix left out) over the noise's density.
"""

from __future__ import annotations

import math

from gateway.waveform.figures import FFT_SAMPLES, SYMBOL_SAMPLES, Coding

_WEIGHTS = {10: 36, 12: 211, 14: 1404, 16: 11633, 18: 77433, 20: 502690}
"""Wrong bits on all paths at each distance of the code 133, 171 (Proakis, Digital Communications; Conan 1984)."""


def bit_error_rate(snr_db: float, coding: Coding) -> float:
    """Uncoded: exactly exp(-SNR)/2, binary differential PSK (Proakis and Salehi, Digital Communications, 5th ed.,
    4.5-5).

    Coded: the union bound over the code's distances, each with the chance that as many products of neighbouring symbols
    add up to the wrong sign (same, 11.1-13): an upper bound, tight below 1e-3.
    """
    snr = 10 ** (snr_db / 10)
    if coding is Coding.NONE:
        return 0.5 * math.exp(-snr)
    return min(0.5, sum(weight * _products_wrong(snr, distance) for distance, weight in _WEIGHTS.items()))


def packet_error_rate(snr_db: float, n_bytes: int, coding: Coding) -> float:
    """Chance of any wrong bit: 1 - (1 - p)^n uncoded. Coded: that of the bound, with its errors in runs of five
    bits."""
    p = bit_error_rate(snr_db, coding)
    events = 8 * n_bytes if coding is Coding.NONE else 8 * n_bytes / 5
    return 1 - (1 - p) ** events


def snr_of_ebn0_db(ebn0_db: float, coding: Coding) -> float:
    """The SNR at which a bit has this much energy over the noise's density, guard intervals and code paid for."""
    rate = 1.0 if coding is Coding.NONE else 0.5
    return ebn0_db + 10 * math.log10(rate * FFT_SAMPLES / SYMBOL_SAMPLES)


def _products_wrong(snr: float, count: int) -> float:
    """Chance that the sum of `count` products z_m z*_{m-1}, each at `snr`, has the wrong sign."""
    total = 0.0
    for n in range(count):
        c = sum(math.comb(2 * count - 1, k) for k in range(count - n)) / math.factorial(n)
        total += c * (count * snr) ** n
    return float(math.exp(-count * snr) * total / 2 ** (2 * count - 1))
