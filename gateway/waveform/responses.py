"""Sets of impulse responses that change over time, from the files in which they are shared.

Rule: reads files and nothing else; a file that is not what it should be is refused in one sentence (ConfigError).

Three forms, told apart by name:
- `.mat`, and folders of them: the Watermark benchmark (van Walree, Socheleau, Otnes, Jenserud, "The Watermark Benchmark
  for Underwater Acoustic Modulation Schemes", IEEE J. Oceanic Eng. 42(4), 2017; manual: FFI-RAPPORT 16/01378): `h`
  (snapshots, taps) complex baseband around `fc`, `fs_t` snapshots and `fs_tau` taps a second, `V0` the speed in m/s
  whose mean Doppler was taken out before the estimate. A folder may hold the files or a folder `mat` with them; they
  follow each other in time.
- `.npz`: the same names, by NumPy; what `clarilink waveform synthesise` writes.
- `.txt`, `.txt.gz`: a snapshot a line, first the real parts of all taps, then the imaginary ones, as in UWARay1.txt
  (uwa_cirset_ray, MIT licence). Such files do not tell their rates: the caller does.
"""

from __future__ import annotations

import gzip
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigError
from gateway.waveform.figures import BANDWIDTH_HZ, CENTRE_HZ
from gateway.waveform.matfile import WrongLevel, read_mat

MAX_VALUES = 1 << 26
"""Most taps times snapshots of one file: 1 GiB of complex numbers."""
MAX_TEXT_BYTES = 1 << 28
_NAMES = frozenset(("h", "fs_t", "fs_tau", "fc", "V0"))
_SUFFIXES = (".mat", ".npz", ".txt", ".txt.gz")


@dataclass(frozen=True)
class Responses:
    """`taps` (snapshots, taps) complex baseband around `centre_hz`, scaled to pass the waveform's band with a mean gain
    of 1.

    `speed_m_s`: mean speed at which the ends draw near, taken out of the taps.
    """

    taps: NDArray[np.complex128]
    snapshot_rate_hz: float
    tap_rate_hz: float
    centre_hz: float = CENTRE_HZ
    speed_m_s: float = 0.0
    name: str = ""

    @property
    def duration_s(self) -> float:
        """From the first snapshot to the last."""
        return (len(self.taps) - 1) / self.snapshot_rate_hz

    @property
    def delay_spread_s(self) -> float:
        """Root mean square width of the mean power over delay."""
        power = np.mean(np.abs(self.taps) ** 2, axis=0)
        return _spread(np.arange(len(power)) / self.tap_rate_hz, power)

    @property
    def doppler_spread_hz(self) -> float:
        """Root mean square width of the Doppler spectrum of all taps together, as far as the snapshots can show it."""
        power = np.sum(np.abs(np.fft.fft(self.taps, axis=0)) ** 2, axis=1)
        return _spread(np.asarray(np.fft.fftfreq(len(power), 1 / self.snapshot_rate_hz), np.float64), power)


def _energy_in_band(taps: NDArray[np.complex128], tap_rate_hz: float) -> float:
    """Mean of the transfer function's square over all snapshots and the waveform's band: sets are wider than that."""
    size = max(256, taps.shape[1])
    inside = np.abs(np.fft.fftfreq(size, 1 / tap_rate_hz)) <= BANDWIDTH_HZ / 2
    power = 0.0
    for snapshots in np.array_split(taps, -(-taps.size // (1 << 20))):
        power += float(np.sum(np.abs(np.fft.fft(snapshots, size, axis=1)[:, inside]) ** 2))
    return power / (len(taps) * int(inside.sum()))


def _spread(place: NDArray[np.float64], power: NDArray[np.float64]) -> float:
    weight = power / power.sum()
    mean = float(weight @ place)
    return float(np.sqrt(weight @ (place - mean) ** 2))


@dataclass(frozen=True, slots=True)
class Rates:
    """What a file does not tell, or what is to be taken in place of what it tells; None: as the file says."""

    tap_rate_hz: float | None = None
    snapshot_rate_hz: float | None = None


def response_files(path: Path) -> tuple[Path, ...]:
    """The files of a set, in the order of time. Raises ConfigError where there is none."""
    if path.is_dir():
        for folder in (path, path / "mat"):
            files = sorted(file for file in folder.glob("*.mat") if file.is_file())
            if files:
                return tuple(files)
        raise ConfigError(f"{path}: no impulse responses; needed: .mat files of the Watermark form in it or in mat/")
    if not path.is_file():
        raise ConfigError(f"{path}: no such file or folder of impulse responses")
    if not path.name.lower().endswith(_SUFFIXES):
        raise ConfigError(f"{path}: impulse responses come as {', '.join(_SUFFIXES)} or as a folder of .mat files")
    return (path,)


@lru_cache(maxsize=4)
def load_responses(path: Path, rates: Rates | None = None) -> Responses:
    """One file of a set. Raises ConfigError."""
    rates = Rates() if rates is None else rates
    name = path.name.lower()
    try:
        if name.endswith((".txt", ".txt.gz")):
            found = _from_text(path, rates)
        else:
            found = _from_arrays(path, _mat(path) if name.endswith(".mat") else _npz(path), rates)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read: {error.strerror or error}") from error
    return replace(found, name=path.name)


def _from_text(path: Path, rates: Rates) -> Responses:
    if rates.tap_rate_hz is None or rates.snapshot_rate_hz is None:
        raise ConfigError(f"{path}: says nothing of its rates; needed: tap_rate_hz and snapshot_rate_hz beside it")
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            text = file.read(MAX_TEXT_BYTES + 1)
        if len(text) > MAX_TEXT_BYTES:
            raise ConfigError(f"{path}: more than {MAX_TEXT_BYTES} bytes of text")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # NumPy's way to say that there is nothing in it
            table = np.loadtxt(text.decode("ascii").splitlines(), ndmin=2)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ConfigError(f"{path}: not a gzip file, or a damaged one") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not lines of numbers: byte {error.start} is no text") from error
    except (ValueError, UserWarning) as error:
        raise ConfigError(f"{path}: not lines of numbers: {error}") from error
    if table.shape[1] % 2 or table.shape[1] == 0:
        raise ConfigError(f"{path}: {table.shape[1]} numbers a line; needed: real parts, then as many imaginary ones")
    half = table.shape[1] // 2
    taps = table[:, :half] + 1j * table[:, half:]
    return _checked(path, taps, rates.snapshot_rate_hz, rates.tap_rate_hz, CENTRE_HZ, 0.0)


def _mat(path: Path) -> Mapping[str, Any]:
    if path.stat().st_size > 16 * MAX_VALUES:
        raise ConfigError(f"{path}: more than {16 * MAX_VALUES} bytes")
    try:
        return read_mat(path.read_bytes(), _NAMES, 16 * MAX_VALUES)
    except WrongLevel as error:
        raise ConfigError(f"{path}: MATLAB's form 7.3 (HDF5); save it in form 7: save(..., '-v7')") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not a MATLAB file of form 5 to 7, or a damaged one: {error}") from error


def _npz(path: Path) -> Mapping[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 16 * MAX_VALUES:
                raise ConfigError(f"{path}: more than {16 * MAX_VALUES} bytes of arrays")
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, MemoryError) as error:
        raise ConfigError(f"{path}: not an .npz file of NumPy, or a damaged one") from error


def _from_arrays(path: Path, arrays: Mapping[str, Any], rates: Rates) -> Responses:
    def figure(name: str, otherwise: float | None) -> float:
        if name not in arrays:
            if otherwise is None:
                raise ConfigError(f"{path}: no variable {name}; needed: h, fs_t, fs_tau, fc (and V0)")
            return otherwise
        try:
            value = float(np.squeeze(arrays[name]))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{path}: {name} is not a number") from error
        return value

    if "h" not in arrays:
        raise ConfigError(f"{path}: no variable h of numbers; needed: h, fs_t, fs_tau, fc (and V0), as Watermark has")
    taps = np.asarray(arrays["h"])
    if taps.dtype.kind not in "cfiu" or taps.ndim != 2:
        raise ConfigError(f"{path}: h is {taps.dtype} of shape {taps.shape}; needed: numbers (snapshots, taps)")
    snapshot_rate_hz = rates.snapshot_rate_hz or figure("fs_t", None)
    tap_rate_hz = rates.tap_rate_hz or figure("fs_tau", None)
    return _checked(path, taps, snapshot_rate_hz, tap_rate_hz, figure("fc", None), figure("V0", 0.0))


def _checked(
    path: Path, taps: NDArray[Any], snapshot_rate_hz: float, tap_rate_hz: float, centre_hz: float, speed_m_s: float
) -> Responses:
    figures = {"fs_t": (snapshot_rate_hz, 1e-6, 1e6), "fs_tau": (tap_rate_hz, 1, 1e7), "fc": (centre_hz, 1, 1e7)}
    for name, (value, low, high) in figures.items():
        if not low <= value <= high:
            raise ConfigError(f"{path}: {name} is {value:g}; needed: {low:g} to {high:g}")
    if not abs(speed_m_s) <= 100:
        raise ConfigError(f"{path}: V0 is {speed_m_s:g}; needed: -100 to 100 m/s")
    if not 0 < taps.size <= MAX_VALUES:
        raise ConfigError(f"{path}: h has {taps.size} values; needed: 1 to {MAX_VALUES}")
    values = taps.astype(np.complex128)
    with np.errstate(all="ignore"):
        energy = _energy_in_band(values, tap_rate_hz)
    if not np.isfinite(energy) or energy <= 0:
        raise ConfigError(f"{path}: h is all zeros, or has values that are no numbers")
    return Responses(values / np.sqrt(energy), snapshot_rate_hz, tap_rate_hz, centre_hz, speed_m_s)


def save_responses(path: Path, responses: Responses) -> None:
    """Write a set as .npz, in single precision. Raises ConfigError if the file cannot be written."""
    try:
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                h=responses.taps.astype(np.complex64),
                fs_t=responses.snapshot_rate_hz,
                fs_tau=responses.tap_rate_hz,
                fc=responses.centre_hz,
                V0=responses.speed_m_s,
            )
    except OSError as error:
        raise ConfigError(f"{path}: cannot write: {error.strerror or error}") from error
