from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.recordings.leads import wanted
from services.ingest.recordings.recording import Recording
from services.ingest.recordings.wfdb_record import read_record
from shared.wfdb import RecordingError

Record = Callable[..., Path]
Edit = Callable[[Path, str, str], Path]
Beating = Callable[..., np.ndarray]


def read(path: Path, lead: str = "I") -> Recording:
    return read_record(path, path.stem, wanted(lead))


def test_a_replay_holds_the_files_own_counts_less_its_baseline(record: Record) -> None:
    counts = np.random.default_rng(1).integers(-2000, 2000, (1000, 2))
    made = read(record(p_signal=None, d_signal=counts, baseline=[0, 24], adc_gain=[1000.0, 200.0]), "II")
    np.testing.assert_array_equal(made.counts, counts[:, 1] - 24)
    assert (made.uv_per_lsb, made.rate_mhz, made.lead) == (5.0, 100_000, "II")


@pytest.mark.parametrize(("units", "gain", "lsb"), [("uV", 0.5, 2.0), ("mV", 500.0, 2.0), ("V", 500_000.0, 2.0)])
def test_units_are_honoured(record: Record, units: str, gain: float, lsb: float) -> None:
    counts = np.arange(2000)[:, None].repeat(2, 1) % 700
    made = read(record(p_signal=None, d_signal=counts, units=[units] * 2, adc_gain=[gain] * 2))
    assert made.uv_per_lsb == lsb


def test_a_fractional_rate_is_kept(record: Record, edit: Edit) -> None:
    assert read(edit(record(), "rec 2 100 ", "rec 2 128.571 ")).rate_mhz == 128_571


def test_several_samples_a_frame_multiply_the_rate(record: Record, beating: Beating) -> None:
    path = record(signals=beating())
    text = path.read_text().replace("rec 1 100 1000", "rec 1 50 500").replace("rec.dat 16 ", "rec.dat 16x2 ")
    path.write_text(text)
    made = read(path)
    assert (made.rate_mhz, len(made.counts)) == (100_000, 1000)


def test_24_bits_with_an_electrode_offset_keep_the_waveform(record: Record, beating: Beating) -> None:
    signal = beating()
    made = read(record(signals=signal + 290.0, fmt=["24"], adc_gain=[28_000.0], baseline=[0]))
    replayed = made.counts * made.uv_per_lsb / 1000
    assert np.abs(replayed - replayed.mean() - (signal - signal.mean())).max() < 2e-3


def test_missing_samples_at_the_ends_are_cut(record: Record, beating: Beating) -> None:
    signal = beating()
    signal[:40] = signal[-60:] = np.nan
    assert len(read(record(signals=signal)).counts) == 900


def test_a_missing_sample_inside_is_refused(record: Record, beating: Beating) -> None:
    signal = beating()
    signal[500:503] = np.nan
    with pytest.raises(RecordingError, match="3 samples are missing"):
        read(record(signals=signal))


def test_a_skewed_signal_is_put_back_in_time(record: Record, edit: Edit) -> None:
    plain = read(record()).counts
    shifted = read(edit(record(), "rec.dat 16 1000.0(0)/mV 16 0 ", "rec.dat 16:30 1000.0(0)/mV 16 0 ")).counts
    np.testing.assert_array_equal(shifted, plain[30:])


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("1000.0(0)/mV", "0(0)/mV", "gain of I is 0 or absent"),
        ("1000.0(0)/mV", "-1000(0)/mV", "gain of I is -1000, below 0"),
        ("1000.0(0)/mV", "1e-9(0)/mV", "no ECG: its gain"),
        ("1000.0(0)/mV", "1e9(0)/mV", "no ECG: it is flat"),
        ("1000.0(0)/mV", "1000(0)/mmHg", "unit 'mmHg' is no voltage"),
        ("rec 2 100 1000", "rec 2", "no sampling rate"),
        ("rec 2 100 1000", "rec 2 30 1000", "30 Hz is outside 50 to 1000 Hz"),
        ("rec 2 100 1000", "rec 2 100 0", "0"),
        ("rec 2 100 1000", "rec 2 100 -7", "holds no sample"),
        ("rec 2 100 1000", "rec 3 100 1000", "promises 3 signals"),
        ("0 I\n", "0 RESP\n", "no lead I: it has RESP, II"),
    ],
)
def test_a_bad_header_is_one_clear_line(record: Record, edit: Edit, old: str, new: str, why: str) -> None:
    path = edit(record(), old, new)
    if why == "0":  # a length of 0 is "not given": the file decides
        assert len(read(path).counts) == 1000
        return
    with pytest.raises(RecordingError, match=why):
        read(path)


def test_a_file_without_a_sample_is_refused(record: Record) -> None:
    path = record()
    path.with_suffix(".dat").write_bytes(b"")
    with pytest.raises(RecordingError, match="cut short: 0 of"):
        read(path)


def test_segments_are_joined(record: Record, beating: Beating) -> None:
    signal = beating(20)
    whole = read(record("whole", signal)).counts
    record("s_1", signal[:700]), record("s_2", signal[700:], sig_name=["i"])
    path = record().with_name("s.hea")
    path.write_text("s/2 1 100 2000\ns_1 700\ns_2 1300\n")
    np.testing.assert_array_equal(read(path).counts, whole)


def test_segments_of_different_gain_are_joined_in_microvolts(record: Record, beating: Beating) -> None:
    signal = beating(20)
    record("s_1", signal[:700], adc_gain=[500.0]), record("s_2", signal[700:])
    path = record().with_name("s.hea")
    path.write_text("s/4 1 100 2500\ns_layout 0\ns_1 700\ns_2 1300\n~ 500\n")
    made = read(path)
    assert np.abs(made.counts - 1000 * signal).max() <= 1.5
    assert made.uv_per_lsb == 1.0


def test_a_stretch_without_the_lead_between_segments_is_a_gap(record: Record, beating: Beating) -> None:
    record("s_1", beating()), record("s_2", beating(), sig_name=["ABP"]), record("s_3", beating())
    path = record().with_name("s.hea")
    path.write_text("s/3 1 100 3000\ns_1 1000\ns_2 1000\ns_3 1000\n")
    with pytest.raises(RecordingError, match=r"1000 samples are missing .* sample 1000"):
        read(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("s/1 1 100 1000\ngone 1000\n", r"segment gone\.hea is absent"),
        ("s/1 1 100 1000\nrec 999\n", "has not the 999 samples"),
        ("s/1 1 100 1000\n~ 1000\n", "no lead I: it has no signal"),
        ("s/1 1 100 1000\n~ 999999999999\n", "cut it into parts"),
    ],
)
def test_bad_segments_are_refused(record: Record, text: str, why: str) -> None:
    path = record().with_name("s.hea")
    path.write_text(text)
    with pytest.raises(RecordingError, match=why):
        read(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)  # one folder serves all
@given(at=st.integers(0, 150), byte=st.binary(min_size=0, max_size=3))
def test_a_damaged_header_never_raises_anything_else(record: Record, tmp_path: Path, at: int, byte: bytes) -> None:
    path = tmp_path / "rec.hea"
    raw = (path if path.exists() else record()).read_bytes()
    broken = tmp_path / "broken.hea"
    broken.write_bytes(raw[:at] + byte + raw[at + 1 :])
    try:
        made = read(broken)
    except (RecordingError, OSError):
        return
    assert made.counts.dtype == np.int16
