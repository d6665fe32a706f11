import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.ingest.recordings.columns import Own
from services.ingest.recordings.opening import open_recordings
from shared.wfdb import RecordingError

Record = Callable[..., Path]
Edit = Callable[[Path, str, str], Path]


def test_a_folder_is_read_with_all_folders_below_in_order_of_name(record: Record, tmp_path: Path) -> None:
    record("b", folder="records100/00000"), record("a", folder="records100/01000"), record("c")
    opened = open_recordings(tmp_path, lead="i")
    names = [recording.name for recording in opened.recordings]
    assert names == ["c", "records100/00000/b", "records100/01000/a"]
    assert opened.problems == ()


def test_each_bad_file_is_one_line_that_names_it_and_the_others_go_on(
    record: Record, edit: Edit, tmp_path: Path
) -> None:
    record("good"), record("other")
    edit(record("gain"), "1000.0(0)/mV", "0/mV")
    record("lead", sig_name=["ABP", "V1"])
    cut = record("cut").with_suffix(".dat")
    cut.write_bytes(cut.read_bytes()[:100])
    record("gone").with_suffix(".dat").unlink()
    (tmp_path / "noise.hea").write_bytes(os.urandom(50))
    (tmp_path / "empty.hea").write_bytes(b"")
    opened = open_recordings(tmp_path, lead="I")
    assert [recording.name for recording in opened.recordings] == ["good", "other"]
    assert [problem.partition(".hea: ")[0] for problem in opened.problems] == [
        str(tmp_path / name) for name in ("cut", "empty", "gain", "gone", "lead", "noise")
    ]
    assert not any("\n" in problem for problem in opened.problems)


@pytest.mark.parametrize("name", ["rec", "rec.hea", "rec.dat"])
def test_a_single_record_is_found_by_any_of_its_names(record: Record, tmp_path: Path, name: str) -> None:
    record()
    assert [recording.name for recording in open_recordings(tmp_path / name, lead="II").recordings] == ["rec"]


def test_segments_are_no_recordings_of_their_own(record: Record, tmp_path: Path) -> None:
    record("a_1"), record("z")
    (tmp_path / "m.hea").write_text("m/1 2 100 1000\na_1 1000\n")
    assert [recording.name for recording in open_recordings(tmp_path, lead="I").recordings] == ["m", "z"]


def test_no_more_than_asked_for_are_read(record: Record, tmp_path: Path) -> None:
    for name in "abcd":
        record(name)
    (tmp_path / "c.hea").write_text("would be a problem")
    opened = open_recordings(tmp_path, lead="I", limit=2)
    assert (len(opened.recordings), opened.problems) == (2, ())


def test_tables_beside_wfdb_records_are_left_alone(record: Record, tmp_path: Path) -> None:
    record()
    (tmp_path / "REFERENCE.csv").write_text("A00001,N\n")
    assert open_recordings(tmp_path, lead="I").problems == ()


def test_csv_files_beside_wfdb_records_are_read_where_that_is_said(record: Record, tmp_path: Path) -> None:
    record()
    (tmp_path / "own.csv").write_text("ecg\n" + "\n".join(str(i % 7) for i in range(1000)))
    opened = open_recordings(tmp_path, lead="I", kind="csv", own=Own(rate_hz=100))
    assert [recording.name for recording in opened.recordings] == ["own"]


def test_a_bad_row_of_a_numpy_file_does_not_cost_the_others(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 1000))
    values[1, 500] = np.nan
    np.save(tmp_path / "ward.npy", values)
    opened = open_recordings(tmp_path, lead="I", own=Own(rate_hz=100))
    assert [recording.name for recording in opened.recordings] == ["ward/0", "ward/2"]
    assert opened.problems[0].startswith(f"{tmp_path / 'ward.npy'}: row 1: 1 sample is missing")


def test_files_whose_names_are_no_text_are_shown_on_one_line(record: Record, tmp_path: Path) -> None:
    record()
    (tmp_path / os.fsdecode(b"bad\xff\nname.hea")).write_text("nothing")
    (problem,) = open_recordings(tmp_path, lead="I").problems
    assert "\n" not in problem
    problem.encode()


def test_nothing_usable_is_an_error_that_shows_the_first_problem(
    record: Record, edit: Edit, tmp_path: Path
) -> None:
    edit(record("a"), "1000.0(0)/mV", "0/mV")
    record("b", sig_name=["ABP", "RESP"])
    with pytest.raises(RecordingError, match=r"no usable recording in .*a\.hea: gain of I is 0.*\(and 1 more\)"):
        open_recordings(tmp_path, lead="I")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        ([], "no recording in"),
        (["a.csv", "b.npy"], "say which to read"),
    ],
)
def test_a_folder_that_does_not_say_what_it_is_is_refused(tmp_path: Path, make: list[str], why: str) -> None:
    for name in make:
        (tmp_path / name).touch()
    with pytest.raises(RecordingError, match=why):
        open_recordings(tmp_path, lead="I")


def test_an_absent_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="does not exist"):
        open_recordings(tmp_path / "gone", lead="I")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.edf").touch()
    with pytest.raises(RecordingError, match="is no WFDB, CSV or NumPy file"):
        open_recordings(tmp_path / "x.edf", lead="I")
