from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.ingest.recordings.columns import Own
from services.ingest.recordings.leads import wanted
from services.ingest.recordings.npy_file import read_npy
from services.ingest.recordings.recording import Recording
from shared.wfdb import RecordingError

Beating = Callable[..., np.ndarray]


def read(tmp_path: Path, values: Any, **own: Any) -> list[Recording]:
    np.save(tmp_path / "own.npy", values)
    return [
        make() for _, make in read_npy(tmp_path / "own.npy", "own", wanted("I"), Own(**{"rate_hz": 100} | own))
    ]


def test_one_dimension_is_one_patient(tmp_path: Path, beating: Beating) -> None:
    (made,) = read(tmp_path, beating())
    assert (made.name, made.rate_mhz) == ("own", 100_000)
    assert np.abs(made.counts - 1000 * beating()).max() <= 0.51


def test_two_dimensions_are_one_patient_a_row(tmp_path: Path, beating: Beating) -> None:
    made = read(tmp_path, np.stack([beating(pace=0.6 + 0.02 * i) for i in range(11)]))
    assert [recording.name for recording in made][::10] == ["own/00", "own/10"]
    assert len({recording.counts.tobytes() for recording in made}) == 11


@pytest.mark.parametrize("dtype", ["<i2", ">i4", "<f4", "<f2"])
def test_integers_and_floats_of_any_order_are_read(tmp_path: Path, beating: Beating, dtype: str) -> None:
    (made,) = read(tmp_path, (1000 * beating()).astype(dtype), units="uV")
    assert np.abs(made.counts - 1000 * beating()).max() <= 1


@pytest.mark.parametrize(
    ("values", "own", "why"),
    [
        (np.zeros(1000), {"rate_hz": None}, "give the sampling rate"),
        (np.zeros((1000, 12)), {}, "1000 × 12 is more patients than samples: transpose"),
        (np.zeros((2, 3, 1000)), {}, "one or two dimensions"),
        (np.zeros(1000, complex), {}, "real numbers"),
        (np.array(["a"] * 1000), {}, "real numbers"),
        (np.array([{}], object), {}, "readable .npy"),
        (np.zeros((0, 10)), {}, "no patient"),
        (np.zeros(0), {}, "no sample"),
        (np.full(1000, np.nan), {}, "every sample is missing"),
    ],
)
def test_a_bad_array_is_one_clear_line(tmp_path: Path, values: Any, own: dict[str, Any], why: str) -> None:
    with pytest.raises(RecordingError, match=why):
        read(tmp_path, values, **own)


def test_a_file_shorter_than_its_header_says_is_refused(tmp_path: Path, beating: Beating) -> None:
    np.save(tmp_path / "own.npy", beating())
    raw = (tmp_path / "own.npy").read_bytes()
    (tmp_path / "own.npy").write_bytes(raw[:-100])
    with pytest.raises(RecordingError, match=r"readable \.npy"):
        list(read_npy(tmp_path / "own.npy", "own", wanted("I"), Own(rate_hz=100)))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not numpy",
        b"\x93NUMPY\x01\x00\x0e\x00{'descr': '<f8'",
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'shape': (9",
    ],
)
def test_what_is_no_numpy_file_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "own.npy").write_bytes(raw)
    with pytest.raises(RecordingError, match=r"readable \.npy"):
        list(read_npy(tmp_path / "own.npy", "own", wanted("I"), Own(rate_hz=100)))
