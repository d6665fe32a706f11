"""Folders of recordings in, a store out; again, and with faults."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.frames import LEADS
from training.prepare.listing import PrepareError
from training.prepare.run import Prepared, list_source
from training.store import Store, StoreError

Make = Callable[..., Path]
Run = Callable[..., Prepared]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "store"


def rejected(out: Path) -> dict[str, str]:
    with (out / "rejected.csv").open(newline="") as file:
        return {f"{row['source']}/{row['record']}": row["why"] for row in csv.DictReader(file)}


def records(store: Store) -> list[str]:
    return list(store.table.column("record").to_pylist())


def test_ptbxl_is_read_with_all_that_its_table_knows(ptbxl: Make, prepared: Run, out: Path) -> None:
    prepared(ptbxl())
    row = Store(out).table.to_pylist()[0]
    assert row["statements"] == [("IMI", 0.0), ("SR", 0.0)]
    assert {k: row[k] for k in ("record", "source", "patient", "age", "sex", "fold", "units", "IMI", "MI")} == {
        "record": "1", "source": "ptbxl", "patient": "ptbxl:0", "age": 61.0, "sex": 1, "fold": 2, "units": "mv",
        "IMI": 1, "MI": 1,
    }  # fmt: skip


@pytest.mark.parametrize("leads", [LEADS, tuple(reversed(LEADS))], ids=["in order", "reversed"])
def test_leads_are_told_by_name_not_by_position(
    ptbxl: Make, prepared: Run, out: Path, leads: tuple[str, ...]
) -> None:
    prepared(ptbxl(leads=leads))
    first = Store(out).signals([1], LEADS)[0, :, 0]
    np.testing.assert_allclose(first, 0.2 + np.arange(12) * 0.01, atol=1e-6)


def test_500_hz_is_taken_where_100_hz_is_absent(ptbxl: Make, prepared: Run, out: Path) -> None:
    prepared(ptbxl("hr", rate=500))
    store = Store(out)
    assert len(store) == 4
    np.testing.assert_allclose(store.signals([2], ("V1",)).mean(), 0.3 + 0.06 + 0.0095, atol=0.001)


def test_a_part_of_ptbxl_is_enough_and_later_files_change_only_their_own_part(
    ptbxl: Make, prepared: Run, out: Path
) -> None:
    folder = ptbxl(count=6)
    away = folder / "records100/00000/00006_lr.hea"
    kept = away.rename(folder / "kept")
    first = prepared(folder, records_a_part=2)
    assert (first.segments, first.sources[0].absent, first.parts) == (5, 1, 3)
    kept.rename(away)
    second = prepared(folder, records_a_part=2)
    assert (second.segments, second.found, second.sources[0].absent) == (6, 2, 0)
    assert records(Store(out)) == list("123456")


def test_a_second_run_does_nothing_again(ptbxl: Make, prepared: Run, out: Path) -> None:
    folder = ptbxl(changes={1: {"scp_codes": "{broken"}})
    prepared(folder, records_a_part=2)
    written = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    again = prepared(folder, records_a_part=2)
    assert again.found == again.parts == 2
    assert [record for _, record, _ in again.rejected] == ["2"]
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")} == written


@pytest.mark.parametrize("change", ["samples", "labels", "segments"])
def test_what_changes_is_made_again(ptbxl: Make, prepared: Run, change: str) -> None:
    folder = ptbxl()
    prepared(folder, records_a_part=2)
    if change == "samples":
        os.utime(folder / "records100/00000/00004_lr.dat", ns=(1, 1))
    elif change == "labels":
        table = folder / "ptbxl_database.csv"
        table.write_text(table.read_text().replace("'NORM'", "'AFIB'", 1))
    again = prepared(folder, records_a_part=2, segments=2 if change == "segments" else 1)
    assert again.found == (0 if change == "segments" else 1)


def test_broken_records_are_named_and_the_others_taken(ptbxl: Make, prepared: Run, out: Path) -> None:
    folder = ptbxl(count=6, changes={4: {"scp_codes": "{'IMI': "}})
    where = folder / "records100/00000"
    (where / "00001_lr.dat").unlink()
    (where / "00002_lr.dat").write_bytes((where / "00002_lr.dat").read_bytes()[:100])
    (where / "00003_lr.hea").write_text("nonsense")
    damaged = bytearray((where / "00004_lr.dat").read_bytes())
    damaged[100] ^= 1
    (where / "00004_lr.dat").write_bytes(damaged)
    assert prepared(folder).segments == 1
    why = rejected(out)
    assert list(why) == [f"ptbxl/{i}" for i in range(1, 6)]
    for record, words in zip(why, ("absent", "cut short", "header", "checksum", "scp_codes"), strict=True):
        assert words in why[record]
    assert json.loads((out / "manifest.json").read_text())["rejected"] == 5


def test_if_nothing_is_usable_the_first_reason_is_the_error(ptbxl: Make, prepared: Run, out: Path) -> None:
    folder = ptbxl(count=2)
    for path in folder.rglob("*.dat"):
        path.unlink()
    with pytest.raises(
        PrepareError, match=r"no usable recording in .*ptbxl: 1: its data file .* is absent \(and 1 more"
    ):
        prepared(folder)
    assert len(rejected(out)) == 2


def test_a_failed_run_leaves_the_former_store_as_it_was(ptbxl: Make, prepared: Run, out: Path) -> None:
    prepared(ptbxl())
    bad = ptbxl("other", 1)
    next(bad.rglob("*.dat")).unlink()
    with pytest.raises(PrepareError):
        prepared(bad)
    assert Store(out).signals([0, 1, 2, 3]).shape == (4, 1, 1000)


def test_normalised_records_are_z_scores_of_the_same_collection(
    ptbxl: Make, normalised: Make, prepared: Run, out: Path
) -> None:
    prepared(normalised([12, 7]))
    store = Store(out)
    assert set(store.units.tolist()) == {"z"}
    np.testing.assert_allclose(store.signals([0, 1], ("II",))[:, 0, 0], [0.013, 0.008], atol=1e-7)
    assert store.table.column("patient").to_pylist() == ["ptbxl:12", "ptbxl:7"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_record_that_is_also_there_as_recorded_is_taken_as_recorded(
    ptbxl: Make, normalised: Make, prepared: Run, out: Path, order: tuple[int, int]
) -> None:
    folders = (ptbxl(), normalised([2, 3, 9]))
    made = prepared(*(folders[k] for k in order))
    assert {s.name: (s.segments, s.duplicates) for s in made.sources} == {
        "ptbxl": (4, 0), "ptbxl-normalised": (1, 2)
    }  # fmt: skip
    assert sorted(records(Store(out))) == ["1", "2", "3", "4", "9"]


def test_simulated_records_are_nobodys_duplicates(ptbxl: Make, normalised: Make, prepared: Run) -> None:
    folder = ptbxl("sim", 2)
    table = folder / "ptbxl_database.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{head},label_source", *(f"{row},simulated" for row in rows)]))
    assert prepared(folder, normalised([1, 2])).segments == 4


def test_a_plain_folder_is_read_with_unknown_labels(
    record: Make, prepared: Run, out: Path, tmp_path: Path
) -> None:
    for name, folder in (("b", "plain"), ("a", "plain/deep")):
        record(name, folder=folder)
    prepared(tmp_path / "plain")
    store = Store(out)
    assert records(store) == ["b", "deep/a"]
    assert not store.labelled.any()
    assert store.folds.tolist() == [0, 0]
    assert len(set(store.patients.tolist())) == 2


def test_a_plain_folder_takes_its_labels_from_a_table(
    record: Make, prepared: Run, out: Path, tmp_path: Path
) -> None:
    for name in "abc":
        record(name, folder="plain")
    labels = tmp_path / "labels.csv"
    labels.write_text("record,scp_codes,strat_fold,patient_id\nc,IMI SR,2,7\na,,2,7\nz,AMI,1,8\n")
    prepared(tmp_path / "plain", labels=labels)
    store = Store(out)
    assert store.labelled.tolist() == [True, False, True]
    assert store.folds.tolist() == [2, 0, 2]
    assert store.labels([0, 2])[:, [0, -1]].tolist() == [[0, 0], [1, 1]]
    assert store.patients[0] == store.patients[2] != store.patients[1]


def test_a_patient_in_two_folds_is_refused_and_one_twice_in_a_fold_is_not(
    record: Make, prepared: Run, out: Path, tmp_path: Path
) -> None:
    for name in "ab":
        record(name, folder="plain")
    labels = tmp_path / "labels.csv"
    labels.write_text("record,scp_codes,strat_fold,patient_id\na,IMI,1,7\nb,NORM,10,7\n")
    with pytest.raises(PrepareError, match=r"patient '7' is in fold 1 .* and in fold 10 ") as refused:
        prepared(tmp_path / "plain", labels=labels)
    assert "\n" not in str(refused.value)
    assert not out.exists()
    labels.write_text("record,scp_codes,strat_fold,patient_id\na,IMI,10,7\nb,NORM,10,7\n")
    assert prepared(tmp_path / "plain", labels=labels).segments == 2


def test_a_patient_is_looked_for_in_all_sources_that_name_patients_alike(
    ptbxl: Make, normalised: Make, prepared: Run
) -> None:
    recordings = ptbxl(count=2, changes={0: {"patient_id": 9, "strat_fold": 1}})
    with pytest.raises(PrepareError, match=r"patient '9' is in fold 1 \(of ptbxl\) .* \(of ptbxl-normalised\)"):
        prepared(recordings, normalised([9]))


def test_patients_of_unrelated_folders_may_have_one_number(record: Make, prepared: Run, tmp_path: Path) -> None:
    for name, folder in (("a", "one"), ("b", "two")):
        record(name, folder=folder)
    labels = tmp_path / "labels.csv"
    labels.write_text("record,scp_codes,strat_fold,patient_id\na,IMI,1,7\nb,NORM,10,7\n")
    assert prepared(tmp_path / "one", tmp_path / "two", labels=labels).segments == 2


def test_long_records_give_several_segments_of_one_patient(
    record: Make, beating: Callable[..., Any], prepared: Run, out: Path, tmp_path: Path
) -> None:
    record("long", beating(65, 250), folder="plain", fs=250)
    assert prepared(tmp_path / "plain", segments=3).segments == 3
    store = Store(out)
    assert records(store) == ["long"] * 3
    assert store.table.column("start_s").to_pylist() == pytest.approx([5.8333, 27.5, 49.1667], abs=1e-3)


def test_a_missing_lead_is_said_when_it_is_asked_for(
    record: Make, prepared: Run, out: Path, tmp_path: Path
) -> None:
    record("ab", folder="plain")
    prepared(tmp_path / "plain")
    with pytest.raises(StoreError, match="record ab has no lead V5"):
        Store(out).signals([0], ("V5",))


def test_faults_of_the_folder_are_one_line_each(
    ptbxl: Make, normalised: Make, record: Make, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    table = ptbxl("nofolds") / "ptbxl_database.csv"
    table.write_text(table.read_text().replace("strat_fold", "fold"))
    no_files = ptbxl("nofiles") / "ptbxl_database.csv"
    no_files.write_text(no_files.read_text().replace("filename_", "file_"))
    (normalised([1], "notable") / "ptbxl_database.csv").unlink()
    (normalised([1], "nozip") / "records.npz").write_bytes(b"no archive")
    for name, why in {
        "absent": "is no folder",
        "empty": "holds no WFDB record",
        "nofolds": "lacks column strat_fold",
        "nofiles": "lacks column filename_lr and filename_hr",
        "notable": "has records.npz but no ptbxl_database.csv",
        "nozip": "records.npz cannot be read",
    }.items():
        with pytest.raises(PrepareError, match=why) as raised:
            list_source(name, tmp_path / name, None)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("record,scp_codes\na,IMI\n", "lacks column strat_fold"),
        ("record,scp_codes,strat_fold\na,IMI,\n", "gives no record a fold"),
        ("record,scp_codes,strat_fold\nq,IMI,1\n", "names no record of the folder: 'q'"),
        ("record,scp_codes,strat_fold\na,IMI,1\na,AMI,1\n", "names record a more than once"),
    ],
)
def test_faults_of_a_label_file_are_one_line_each(record: Make, tmp_path: Path, text: str, why: str) -> None:
    record("a", folder="plain")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(PrepareError, match=why):
        list_source("plain", tmp_path / "plain", tmp_path / "labels.csv")


def test_a_table_whose_files_are_all_absent_is_refused(ptbxl: Make, prepared: Run) -> None:
    folder = ptbxl()
    shutil.rmtree(folder / "records100")
    with pytest.raises(PrepareError, match="none of the 4 records that its table names has files there"):
        prepared(folder)


def test_a_folder_of_other_things_is_not_made_a_store(ptbxl: Make, prepared: Run, out: Path) -> None:
    out.mkdir()
    (out / "thesis.docx").touch()
    with pytest.raises(PrepareError, match=r"holds thesis\.docx, which is no store's"):
        prepared(ptbxl())
    assert [path.name for path in out.iterdir()] == ["thesis.docx"]


def test_a_store_is_not_written_by_two_at_once(ptbxl: Make, prepared: Run, out: Path) -> None:
    folder = ptbxl()

    def meanwhile(jobs: Any) -> Any:
        with pytest.raises(PrepareError, match="being prepared by another run"):
            prepared(folder)
        from training.prepare.spread import here

        return here(jobs)

    assert prepared(folder, spread=meanwhile).segments == 4


def test_a_fault_of_a_part_ends_the_run_and_keeps_what_is_done(ptbxl: Make, prepared: Run, out: Path) -> None:
    from training.prepare.spread import here

    folder = ptbxl()

    def folder_goes_away(jobs: Any) -> Any:
        results = here(jobs)
        yield next(results)
        out.rename(out.with_name("moved"))
        yield next(results)

    with pytest.raises(PrepareError, match=r"cannot write .*part-.*: No such file"):
        prepared(folder, spread=folder_goes_away, records_a_part=2)
    out.with_name("moved").rename(out)
    assert prepared(folder, records_a_part=2).found == 1
