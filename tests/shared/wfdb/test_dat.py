"""The `wfdb` package, an independent reader of the same formats, is the judge."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import wfdb

from shared.wfdb.dat import read_signal
from shared.wfdb.errors import RecordingError
from shared.wfdb.header import read_header

Record = Callable[..., Path]
SAMPLES = 301  # odd, so that packed formats end inside a block


def written(folder: Path, code: int, modifiers: tuple[str, ...] = ("", "", "")) -> Path:
    """A record of three signals whose data file holds random bytes, which every fixed-width format can read."""
    lines = "".join(f"r.dat {code}{m} 200 12 0 5 0 0 L{i}\n" for i, m in enumerate(modifiers))
    (folder / "r.hea").write_text(f"r 3 250 {SAMPLES}\n{lines}")
    raw = np.random.default_rng(code).integers(0, 256, 5 * 4 * SAMPLES * 3 + 100, np.uint8)
    if code == 311:
        raw[3::4] &= 0x3F  # two bits of each word are unused and zero; wfdb 4.3 looks at one of them
    (folder / "r.dat").write_bytes(raw.tobytes())
    return folder / "r.hea"


def as_wfdb_reads(path: Path, k: int) -> npt.NDArray[np.int64]:
    read = wfdb.rdrecord(str(path.with_suffix("")), physical=False, smooth_frames=False, ignore_skew=True)
    return np.asarray(read.e_d_signal[k], np.int64)


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("code", [8, 16, 24, 32, 80, 160, 212, 310, 311])
def test_every_format_is_read_as_wfdb_reads_it(tmp_path: Path, code: int, k: int) -> None:
    path = written(tmp_path, code)
    values, _ = read_signal(path, read_header(path), k)
    np.testing.assert_array_equal(values, as_wfdb_reads(path, k))


def test_format_61_is_format_16_with_its_bytes_the_other_way_round(tmp_path: Path) -> None:
    """wfdb 4.3 lists the format and fails to read it."""
    path = written(tmp_path, 61)
    values, _ = read_signal(path, read_header(path), 1)
    swapped = np.fromfile(tmp_path / "r.dat", np.int16, 3 * SAMPLES).byteswap()
    np.testing.assert_array_equal(values, swapped.reshape(-1, 3)[:, 1])


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("code", [16, 212])
def test_several_samples_a_frame_and_a_prolog_are_read_as_wfdb_reads_them(
    tmp_path: Path, code: int, k: int
) -> None:
    path = written(tmp_path, code, ("x2+24", "+24", "x3+24"))
    values, _ = read_signal(path, read_header(path), k)
    np.testing.assert_array_equal(values, as_wfdb_reads(path, k))


@pytest.mark.parametrize("fmt", ["80", "212", "16", "24", "32", "508", "516", "524"])
def test_what_wfdb_writes_is_read_back(record: Record, fmt: str) -> None:
    counts = np.random.default_rng(0).integers(-120, 120, (500, 2))
    counts[7, 1] = -128 if fmt in {"80", "508"} else 0
    path = record(p_signal=None, d_signal=counts, fmt=[fmt] * 2)
    values, missing = read_signal(path, read_header(path), 1)
    np.testing.assert_array_equal(values, counts[:, 1])
    assert missing[7] == (fmt in {"80", "508"})


def test_a_wrong_sum_of_samples_is_a_damaged_file(record: Record) -> None:
    path = record()
    raw = bytearray(path.with_suffix(".dat").read_bytes())
    raw[40] ^= 1
    path.with_suffix(".dat").write_bytes(raw)
    with pytest.raises(RecordingError, match="checksum"):
        read_signal(path, read_header(path), 0)


def test_a_short_file_is_refused_with_figures(record: Record) -> None:
    path = record()
    data = path.with_suffix(".dat")
    data.write_bytes(data.read_bytes()[:2000])
    with pytest.raises(RecordingError, match="cut short: 500 of the 1000 samples"):
        read_signal(path, read_header(path), 0)


def test_without_a_length_the_file_decides(record: Record, edit: Callable[[Path, str, str], Path]) -> None:
    path = edit(record(), "rec 2 100 1000", "rec 2 100")
    assert len(read_signal(path, read_header(path), 1)[0]) == 1000


@pytest.mark.parametrize("claim", [10**12, 10**15 - 1])
def test_a_claim_of_too_many_samples_costs_no_memory(
    record: Record, edit: Callable[[Path, str, str], Path], claim: int
) -> None:
    path = edit(record(), "rec 2 100 1000", f"rec 2 100 {claim}")
    with pytest.raises(RecordingError, match="cut short"):
        read_signal(path, read_header(path), 0)


def test_a_sparse_giant_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_text("r 1 100\nr.dat 80 200\n")
    with (tmp_path / "r.dat").open("wb") as file:
        file.truncate((1 << 28) + 1)
    with pytest.raises(RecordingError, match="cut it into parts"):
        read_signal(tmp_path / "r.hea", read_header(tmp_path / "r.hea"), 0)


@pytest.mark.parametrize("name", ["../rec.dat", "/etc/hostname", "-", "~"])
def test_only_files_beside_the_header_are_read(
    record: Record, edit: Callable[[Path, str, str], Path], name: str
) -> None:
    path = edit(record(), "rec.dat", name)
    with pytest.raises(RecordingError, match="beside the header"):
        read_signal(path, read_header(path), 0)


def test_an_absent_data_file_is_named(record: Record) -> None:
    path = record()
    path.with_suffix(".dat").unlink()
    with pytest.raises(RecordingError, match=r"rec\.dat is absent"):
        read_signal(path, read_header(path), 0)


def test_an_unknown_format_is_named(record: Record, edit: Callable[[Path, str, str], Path]) -> None:
    path = edit(record(), "rec.dat 16", "rec.dat 17")
    with pytest.raises(RecordingError, match="format 17"):
        read_signal(path, read_header(path), 0)


def test_broken_flac_is_one_line(record: Record) -> None:
    path = record(fmt=["516", "516"])
    path.with_suffix(".dat").write_bytes(b"fLaC nothing of the kind")
    with pytest.raises(RecordingError, match=r"cannot be decoded: .+"):
        read_signal(path, read_header(path), 0)
