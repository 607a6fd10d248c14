"""Sets of impulse responses: the forms that are read, and everything that is not one."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.channel.spec_file import preset_folders
from gateway.errors import ConfigError
from gateway.waveform.responses import Rates, Responses, load_responses, response_files, save_responses
from gateway.waveform.synthetic import ShallowWater, shallow_water

SHARED = Path(__file__).parents[2].parent / "shared" / "traces" / "uwa_cirset_ray" / "UWARay1.txt.gz"
RATES = Rates(8000.0, 10.0)
RNG = np.random.default_rng(1)
TAPS = RNG.normal(size=(5, 7)) + 1j * RNG.normal(size=(5, 7))


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal but for a positive factor."""
    scale = np.abs(one).sum() / np.abs(other).sum()
    return np.allclose(one, scale * other, rtol=1e-5, atol=1e-6)


def watermark(path: Path, **changed: object) -> Path:
    """A file as the Watermark benchmark has them."""
    savemat = pytest.importorskip("scipy.io").savemat
    values = {"h": TAPS, "fs_t": 7.8125, "fs_tau": 16_000.0, "fc": 14_000.0, "V0": 0.2} | changed
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {key: value for key, value in values.items() if value is not None})
    return path


def text(path: Path, lines: str) -> Path:
    path.write_text(lines)
    return path


def test_watermark_file(tmp_path: Path) -> None:
    found = load_responses(watermark(tmp_path / "NOF1_001.mat"))
    assert alike(found.taps, TAPS)
    assert (found.snapshot_rate_hz, found.tap_rate_hz, found.centre_hz, found.speed_m_s) == (7.8125, 16e3, 14e3, 0.2)
    assert found.name == "NOF1_001.mat"
    assert found.duration_s == pytest.approx(4 / 7.8125)


def test_watermark_folder(tmp_path: Path) -> None:
    files = [watermark(tmp_path / "NOF1" / "mat" / f"NOF1_{i:03}.mat") for i in (2, 1, 3)]
    (tmp_path / "NOF1" / "readme.txt").write_text("not one of them")
    assert response_files(tmp_path / "NOF1") == response_files(tmp_path / "NOF1" / "mat") == tuple(sorted(files))


def test_real_taps_and_no_speed(tmp_path: Path) -> None:
    found = load_responses(watermark(tmp_path / "a.mat", h=TAPS.real, V0=None))
    assert alike(found.taps, TAPS.real)
    assert found.speed_m_s == 0.0


@pytest.mark.parametrize("name", ["set.txt", "set.txt.gz"])
def test_text(tmp_path: Path, name: str) -> None:
    lines = "\n".join(" ".join(f"{x:.9g}" for x in (*row.real, *row.imag)) for row in TAPS)
    path = tmp_path / name
    path.write_bytes(gzip.compress(lines.encode()) if name.endswith("gz") else lines.encode())
    found = load_responses(path, RATES)
    assert alike(found.taps, TAPS)
    assert (found.tap_rate_hz, found.snapshot_rate_hz, found.centre_hz) == (8000.0, 10.0, 12_000.0)


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    save_responses(path, Responses(TAPS, 3.0, 9000.0, 30_000.0, -1.5))
    found = load_responses(path)
    assert alike(found.taps, TAPS)
    assert (found.snapshot_rate_hz, found.tap_rate_hz, found.centre_hz, found.speed_m_s) == (3.0, 9e3, 3e4, -1.5)
    assert load_responses(path, RATES).tap_rate_hz == 8000.0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"h": None}, "no variable h"),
        ({"fs_tau": None}, "no variable fs_tau"),
        ({"fc": None}, "no variable fc"),
        ({"fs_t": 0.0}, "fs_t is 0"),
        ({"fs_t": float("nan")}, "fs_t is nan"),
        ({"fs_tau": np.ones(3)}, "fs_tau is not a number"),
        ({"h": np.zeros((4, 4))}, "all zeros"),
        ({"h": np.full((4, 4), np.nan)}, "no numbers"),
        ({"h": np.ones((2, 3, 4))}, "needed: numbers"),
        ({"h": "a text"}, "no variable h of numbers"),
        ({"V0": 1e4}, "V0 is 10000"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, changed: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        load_responses(watermark(tmp_path / "x.mat", **changed))
    assert str(tmp_path / "x.mat") in str(raised.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, told in (
        (tmp_path / "empty", "no impulse responses"),
        (tmp_path / "missing.mat", "no such file"),
        (text(tmp_path / "a.csv", "1,2"), "impulse responses come as"),
    ):
        with pytest.raises(ConfigError, match=told):
            response_files(path)
    for path, told in (
        (text(tmp_path / "a.txt", "1 2 3"), "3 numbers a line"),
        (text(tmp_path / "b.txt", "1 2\n1 2 3 4"), "not lines of numbers"),
        (text(tmp_path / "c.txt", ""), "not lines of numbers"),
        (text(tmp_path / "d.txt.gz", "1 2"), "not a gzip file"),
        (text(tmp_path / "e.mat", "MATLAB 5.0 MAT-file"), "not a MATLAB file of form 5 to 7"),
        (text(tmp_path / "f.npz", "PK"), "not an .npz file"),
    ):
        with pytest.raises(ConfigError, match=told):
            load_responses(path, RATES)
    with pytest.raises(ConfigError, match="says nothing of its rates"):
        load_responses(text(tmp_path / "g.txt", "1 2"))
    hdf = tmp_path / "h.mat"
    hdf.write_bytes(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\x00\x02IM" + bytes(400))
    with pytest.raises(ConfigError, match="HDF5"):
        load_responses(hdf)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.parametrize("name", ["a.mat", "a.npz", "a.txt.gz"])
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    whole = tmp_path / f"whole-{name}"
    if not whole.exists():
        if name == "a.mat":
            watermark(whole)
        elif name == "a.npz":
            save_responses(whole, Responses(TAPS, 3.0, 9000.0))
        else:
            whole.write_bytes(gzip.compress(b"1 2 3 4\n" * 9))
    raw = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    load_responses.cache_clear()
    with suppress(ConfigError):
        assert np.isfinite(load_responses(path, RATES).taps).all()


def test_figures_of_a_set() -> None:
    taps = np.zeros((64, 10), np.complex128)
    taps[:, 2] = np.exp(2j * np.pi * 3.0 * np.arange(64) / 16)
    taps[:, 6] = np.exp(2j * np.pi * 5.0 * np.arange(64) / 16)
    found = Responses(taps, 16.0, 1000.0)
    assert found.delay_spread_s == pytest.approx(0.002)
    assert found.doppler_spread_hz == pytest.approx(1.0)


def test_the_shipped_set_is_the_one_that_is_made() -> None:
    shipped = load_responses(preset_folders()[0] / "cir" / "shallow-water.npz")
    made = shallow_water(ShallowWater(), 1)
    assert alike(shipped.taps, made.taps)
    assert (preset_folders()[0] / "cir" / "shallow-water.npz").stat().st_size < 60_000
    assert 0.2 < shipped.doppler_spread_hz < 0.6
    assert 0.0005 < shipped.delay_spread_s < 0.003


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/traces/uwa_cirset_ray")
def test_the_shared_set() -> None:
    found = load_responses(SHARED, RATES)
    assert found.taps.shape == (1000, 61)
    power = np.mean(np.abs(found.taps) ** 2, axis=0)
    assert power[:12].sum() / power.sum() > 0.8, (
        "echoes die away over delay: real and imaginary parts are where they are"
    )
    assert 0.0005 < found.delay_spread_s < 0.0012
