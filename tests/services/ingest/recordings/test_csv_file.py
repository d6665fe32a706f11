from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.ingest.recordings.columns import Own
from services.ingest.recordings.csv_file import read_csv
from services.ingest.recordings.leads import wanted
from services.ingest.recordings.recording import Recording
from shared.wfdb import RecordingError

Beating = Callable[..., np.ndarray]


def read(path: Path, lead: str = "I", **own: Any) -> Recording:
    return read_csv(path, path.stem, wanted(lead), Own(**own))


@pytest.fixture
def table(tmp_path: Path, beating: Beating) -> Callable[..., Path]:
    """Writes a table of times and one or more columns, under the headings given."""

    def write(head: str, *columns: Any, separator: str = ",", comma: bool = False) -> Path:
        values = columns or (np.arange(1000) / 100, beating())
        lines = [
            separator.join(f"{x:.6f}" if isinstance(x, float) else str(x) for x in row)
            for row in zip(*values, strict=True)
        ]
        text = "\n".join([head, *(line.replace(".", ",") if comma else line for line in lines)])
        path = tmp_path / "own.csv"
        path.write_text(text + "\n", encoding="utf-8")
        return path

    return write


Table = Callable[..., Path]


def test_a_time_and_a_column_of_millivolts_are_enough(table: Table, beating: Beating) -> None:
    made = read(table("time,ecg"))
    assert (made.rate_mhz, made.lead, made.uv_per_lsb) == (100_000, "I", 1.0)
    assert np.abs(made.counts - 1000 * beating()).max() <= 0.51


@pytest.mark.parametrize("head", ["t,I", "Time (s),lead I", "timestamp,value", "time_s,ECG"])
def test_common_headings_are_understood(table: Table, head: str) -> None:
    assert read(table(head)).rate_mhz == 100_000


@pytest.mark.parametrize(
    ("head", "factor"),
    [("time [ms],ecg", 10), ("time_us,ecg", 10_000), ("timestamp [ns],ecg", 10_000_000)],
)
def test_times_may_be_fractions_of_a_second(table: Table, beating: Beating, head: str, factor: int) -> None:
    start = 1_700_000_000_000_000_000 if "ns" in head else 0
    assert read(table(head, start + np.arange(1000) * factor, beating())).rate_mhz == 100_000


def test_times_of_day_are_read(table: Table, beating: Beating) -> None:
    times = np.datetime64("2024-03-01T10:00:00") + np.arange(1000) * np.timedelta64(10, "ms")
    assert read(table("time,ecg", times, beating())).rate_mhz == 100_000


def test_the_heading_says_the_unit(table: Table, beating: Beating) -> None:
    path = table("time,ecg [uV]", np.arange(1000) / 100, 1000 * beating())
    assert np.abs(read(path).counts - 1000 * beating()).max() <= 0.51


def test_a_unit_that_is_given_wins(table: Table, beating: Beating) -> None:
    path = table("time,ecg", np.arange(1000) / 100, beating() / 1000)
    assert np.abs(read(path, units="V").counts - 1000 * beating()).max() <= 1


def test_semicolons_and_decimal_commas_are_read(table: Table, beating: Beating) -> None:
    made = read(table("time;ecg", separator=";", comma=True))
    assert np.abs(made.counts - 1000 * beating()).max() <= 0.51


def test_a_named_column_is_taken(table: Table, beating: Beating) -> None:
    path = table("time,left,right", np.arange(1000) / 100, np.zeros(1000), beating())
    assert np.ptp(read(path, column="Right").counts) > 900


def test_the_lead_is_found_among_several_columns(table: Table, beating: Beating) -> None:
    path = table("index,V1,aVF", np.arange(1000), np.zeros(1000), beating())
    assert read(path, lead="AVF", rate_hz="100").lead == "AVF"


def test_a_given_rate_makes_times_unnecessary(table: Table, beating: Beating) -> None:
    assert read(table("ecg", beating()), rate_hz="128.5").rate_mhz == 128_500


def test_a_given_rate_forgives_uneven_times(table: Table, beating: Beating) -> None:
    jitter = np.repeat(np.arange(100) / 10, 10)  # as a phone stamps what comes in parcels
    assert read(table("time,ecg", jitter, beating()), rate_hz=100).rate_mhz == 100_000


def test_missing_values_at_the_end_are_cut(table: Table, beating: Beating) -> None:
    values = [*beating()[:900], *[""] * 100]
    assert len(read(table("time,ecg", np.arange(1000) / 100, values)).counts) == 900


@pytest.mark.parametrize(
    ("text", "own", "why"),
    [
        ("", {}, "it is empty"),
        ("time,ec\rg\n0,1\n", {}, "first line is no list"),
        ("time,ecg\n", {}, "holds no sample"),
        ("0.1,0.2\n0.3,0.4\n", {}, "heading"),
        ("time,ecg\n0,0.1\n0.01,oops\n0.02,0.3\n", {}, "'oops' where a number belongs, in line 3"),
        ("time,ecg\n0,0.1\n0.01,0.2,0.3,0.4\n", {}, "no readable table"),
        ("time,ecg\n0,0,0,1\n0,01,0,2\n", {}, "names 2 columns and the next has 4"),
        ("ecg\n1\n2\n3\n", {}, "give the sampling rate"),
        ("time,ecg\nnow,1\nthen,2\nlater,3\n", {}, "neither numbers nor ISO 8601"),
        ("time,ecg\n0,1\n1,2\n2,3\n", {}, "1 Hz is outside"),
        ("time,ecg\n0,1\n1,2\n2,3\n", {"rate_hz": 100}, "its times say 1 Hz"),
        ("time (h),ecg\n0,1\n", {}, "unknown unit"),
        ("time,a,b\n0,1,2\n", {}, "no lead I: it has a, b; name a column"),
        ("time,a,b\n0,1,2\n", {"column": "c"}, "no column is called c: it has time, a, b"),
        ("time,a,a\n0,1,2\n", {"column": "a"}, "several columns are called a"),
        ("time,ecg [bpm]\n0,1\n0.01,2\n0.02,3\n", {}, "unit 'bpm' is no voltage"),
        ("time,ecg\n0,1\n0.01,inf\n0.02,3\n", {}, "infinite value at sample 1"),
    ],
)
def test_a_bad_table_is_one_clear_line(tmp_path: Path, text: str, own: dict[str, Any], why: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, newline="")
    with pytest.raises(RecordingError, match=why):
        read(path, **own)


@pytest.mark.parametrize("raw", [b"time,ecg\xff\n0,1\n", b"time,ecg\n0,1\n0.01,\xff\xfe\n"])
def test_other_encodings_are_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "bad.csv").write_bytes(raw)
    with pytest.raises(RecordingError, match="not UTF-8"):
        read(tmp_path / "bad.csv")
