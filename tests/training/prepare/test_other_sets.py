"""Sets in their own layouts: PTB Diagnostic, the Challenges, MIMIC-IV-ECG, and HDF5 as a mapping describes it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.frames import LEADS
from training.prepare.commented import challenge_statements, ptbdb_statements
from training.prepare.hashed_folds import FOLDS, fold_of
from training.prepare.listing import PrepareError
from training.prepare.run import Prepared, list_source
from training.store import Store

Run = Callable[..., Prepared]
PTB_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
MIMIC_LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


def millivolts(lead: str, seconds: float, hertz: float) -> np.ndarray:
    """Slow waves that tell which lead they are by their height."""
    time = np.arange(round(seconds * hertz)) / hertz
    return 0.1 * (1 + LEADS.index(lead.upper())) * np.sin(2 * np.pi * time)


def heights(store: Path, row: int = 0) -> list[float]:
    """The height of each lead, in tenths of a millivolt."""
    signals = Store(store).signals([row], LEADS)[0]
    return (10 * signals.max(axis=1)).round(1).tolist()


def write_dat(path: Path, leads: Sequence[str], hertz: int, seconds: float, comments: Sequence[str]) -> None:
    """A record of 16-bit samples, 2 counts a microvolt as PTB Diagnostic has them, and its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = np.stack([millivolts(lead, seconds, hertz) for lead in leads], axis=1) * 2000
    path.with_suffix(".dat").write_bytes(np.rint(counts).astype("<i2").tobytes())
    lines = [f"{path.name} {len(leads)} {hertz} {len(counts)}"]
    lines += [f"{path.name}.dat 16 2000/mV 16 0 0 0 0 {lead}" for lead in leads]
    path.with_suffix(".hea").write_text("\n".join([*lines, *(f"# {line}" for line in comments)]) + "\n")


def write_mat(path: Path, hertz: int, comments: Sequence[str]) -> None:
    """A record as the Challenges have it: samples in a MATLAB 4 file behind a header of 24 bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = np.rint(np.stack([millivolts(lead, 10, hertz) for lead in LEADS], axis=1) * 1000).astype("<i2")
    header = np.array([30, len(LEADS), len(counts), 0, 4], "<i4").tobytes() + b"val\0"
    path.with_suffix(".mat").write_bytes(header + counts.tobytes())
    lines = [f"{path.name} 12 {hertz} {len(counts)} 12-May-2020 12:33:59"]
    lines += [f"{path.name}.mat 16x1+24 1000/mV 16 0 {counts[0, k]} 0 0 {lead}" for k, lead in enumerate(LEADS)]
    path.with_suffix(".hea").write_text("\n".join([*lines, *(f"#{line}" for line in comments)]) + "\n")


def diagnosed(reason: str, acute: str = "no", former: str = "no") -> list[str]:
    return [
        "age: 81",
        "sex: female",
        "Diagnose:",
        f"Reason for admission: {reason}",
        f"Acute infarction (localization): {acute}",
        f"Former infarction (localization): {former}",
    ]


@pytest.fixture
def ptbdb(tmp_path: Path) -> Path:
    folder = tmp_path / "ptbdb"
    infarct = diagnosed("Myocardial infarction", "infero-latera")
    write_dat(folder / "patient001" / "s0010_re", PTB_LEADS, 1000, 12, infarct)
    write_dat(folder / "patient001" / "s0014lre", PTB_LEADS, 1000, 12, infarct)
    write_dat(folder / "patient104" / "s0306lre", PTB_LEADS, 1000, 12, diagnosed("Healthy control"))
    write_dat(
        folder / "patient090" / "s0348lre",
        PTB_LEADS,
        1000,
        12,
        diagnosed("Myocardial infarction", "postero-lateral"),
    )
    return folder


def test_ptb_diagnostic_tells_the_place_of_an_infarction(ptbdb: Path, prepared: Run, tmp_path: Path) -> None:
    prepared(ptbdb)
    rows = {row["record"]: row for row in Store(tmp_path / "store").table.to_pylist()}
    first = rows["patient001/s0010_re"]
    assert (first["ILMI"], first["MI"], first["IMI"]) == (1, 1, 0)
    assert (first["age"], first["sex"], first["patient"]) == (81.0, 1, "ptbdb:patient001")
    assert rows["patient104/s0306lre"]["statements"] == [("NORM", 0.0)]
    assert rows["patient104/s0306lre"]["MI"] == 0
    assert rows["patient090/s0348lre"]["MI"] is None  # an infarction, but of none of the nine types
    assert heights(tmp_path / "store") == pytest.approx(range(1, 13), abs=0.2)


def test_all_records_of_a_patient_are_in_one_fold(ptbdb: Path) -> None:
    table = list_source("ptbdb", ptbdb, None).table
    of_first = table[table["patient"] == "ptbdb:patient001"]["fold"].tolist()
    assert of_first == [fold_of("ptbdb", "patient001")] * 2
    again = list_source("another name", ptbdb, None).table
    assert again["fold"].tolist() == table["fold"].tolist()


@pytest.mark.parametrize(
    ("reason", "acute", "former", "expected"),
    [
        ("Myocardial infarction", "inferior", "anterior", {"IMI", "AMI"}),
        ("Myocardial infarction", "infero-poster-lateral", "no", {"IPLMI"}),
        ("Myocardial infarction", "no", "unknown", None),
        ("Myocardial infarction", "antero-septo-lateral", "no", None),
        ("Myocardial infarction", "no", "no", None),
        ("Cardiomyopathy", "no", "no", set()),
        ("Cardiomyopathy", "no", "antero-septal", {"ASMI"}),
        ("n/a", "no", "no", None),
    ],
)
def test_what_is_not_known_of_an_infarction_is_not_guessed(
    reason: str, acute: str, former: str, expected: set[str] | None
) -> None:
    fields = {
        "reason for admission": reason,
        "acute infarction (localization)": acute,
        "former infarction (localization)": former,
    }
    found = ptbdb_statements(fields)
    assert (None if found is None else set(found)) == expected


def test_a_challenge_record_has_its_diagnoses(prepared: Run, tmp_path: Path) -> None:
    folder = tmp_path / "cinc"
    write_mat(folder / "g1" / "E00001", 500, ["Age: 74", "Sex: Male", "Dx: 54329005,426177001", "Rx: Unknown"])
    write_mat(folder / "g1" / "E00002", 257, [" Age: NaN", " Sex: Unknown", " Dx: 164889003"])
    prepared(folder)
    first, second = Store(tmp_path / "store").table.to_pylist()
    assert (first["AMI"], first["MI"], first["age"], first["sex"]) == (1, 1, 74.0, 0)
    assert dict(first["statements"]) == {"AMI": 0.0, "SBRAD": 0.0}
    assert (second["MI"], second["age"], second["sex"]) == (0, None, None)
    assert first["fold"] == fold_of("challenge", "E00001")
    assert first["patient"] is None
    assert heights(tmp_path / "store") == pytest.approx(range(1, 13), abs=0.2)


@pytest.mark.parametrize(
    ("codes", "record", "expected"),
    [
        ("164865005", "E00001", None),  # somewhere
        ("164865005,54329005", "E00001", {"AMI", "164865005"}),
        ("426783006", "A0001", None),  # nobody looked for an infarction
        ("426783006", "HR00001", {"SR"}),
        ("987654321", "E00001", {"987654321"}),
    ],
)
def test_a_record_without_a_place_or_of_which_nobody_asked_has_no_labels(
    codes: str, record: str, expected: set[str] | None
) -> None:
    found = challenge_statements({"dx": codes}, record)
    assert (None if found is None else set(found)) == expected


def test_a_table_beside_commented_records_knows_better(ptbdb: Path) -> None:
    labels = ptbdb.parent / "labels.csv"
    labels.write_text("record,scp_codes,strat_fold\ns0010_re,NORM,3\n")
    listing = list_source("ptbdb", ptbdb, labels)
    assert listing.layout == "wfdb"
    assert listing.table["fold"].dropna().tolist() == [3]


def test_mimic_is_read_by_the_names_of_its_leads_and_split_by_subject(prepared: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mimic"
    paths = {study: f"files/p1000/p10000032/s{study}/{study}" for study in ("40689238", "44458630", "49036311")}
    for study in ("40689238", "44458630"):
        write_dat(folder / paths[study], MIMIC_LEADS, 500, 10, [])
    lines = [f"10000032,{study},{study},2180-07-23 08:44:00,{path}" for study, path in paths.items()]
    (folder / "record_list.csv").write_text("\n".join(["subject_id,study_id,file_name,ecg_time,path", *lines]))
    made = prepared(folder)
    store = Store(tmp_path / "store")
    assert made.sources[0].absent == 1
    assert store.folds.tolist() == [fold_of("mimic-iv-ecg", "10000032")] * 2
    assert store.table.column("patient").to_pylist() == ["mimic-iv-ecg:10000032"] * 2
    assert not store.labelled.any()
    assert heights(tmp_path / "store") == pytest.approx(range(1, 13), abs=0.2)


MAPPING = """
files = ["part*.hdf5"]
signals = "tracings"
leads = ["DI", "DII", "DIII", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
rate_hz = 400
microvolts = 100.0
ids = "exam_id"
padding = "zeros"

[table]
file = "exams.csv"
record = "exam_id"
patient = "patient_id"
age = "age"
sex = "is_male"
male = true
infarctions = true

[table.statements]
IMI = "inferior"
AFIB = "AF"
"""


@pytest.fixture
def code(tmp_path: Path) -> Callable[..., Path]:
    """Two files in the layout of CODE-15 %, their table, and a mapping; ``changes`` are lines of it replaced."""

    def write(changes: Mapping[str, str] | None = None, **more: Any) -> Path:
        record = np.stack([millivolts(lead, 9.5, 400) for lead in LEADS], axis=1) * 10
        padded = np.pad(record, ((100, 4096 - 100 - len(record)), (0, 0)))
        for number, names in enumerate(([11, 12], [13])):
            with h5py.File(tmp_path / f"part{number}.hdf5", "w") as file:
                file["tracings"] = np.stack([padded] * len(names)).astype(np.float32)
                file["exam_id"] = names
        rows = ["exam_id,patient_id,age,is_male,inferior,AF", "11,1,50,True,True,False", "12,1,51,True,False,True"]
        (tmp_path / "exams.csv").write_text("\n".join([*rows, "13,2,33,False,False,False"]))
        text = MAPPING
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "code.toml"
        path.write_text(text)
        return path

    return write


def test_hdf5_is_read_as_its_mapping_says(code: Callable[..., Path], prepared: Run, tmp_path: Path) -> None:
    prepared(code())
    rows = Store(tmp_path / "store").table.to_pylist()
    assert [(row["record"], row["patient"], row["age"], row["sex"]) for row in rows] == [
        ("11", "code.toml:1", 50.0, 0),
        ("12", "code.toml:1", 51.0, 0),
        ("13", "code.toml:2", 33.0, 1),
    ]
    assert [(row["IMI"], row["MI"]) for row in rows] == [(1, 1), (0, 0), (0, 0)]
    assert rows[0]["fold"] == rows[1]["fold"] == fold_of("hdf5", "1")
    assert heights(tmp_path / "store", 2) == pytest.approx(range(1, 13), abs=0.2)


def test_an_hdf5_table_with_a_patient_in_two_folds_is_refused(
    code: Callable[..., Path], prepared: Run, tmp_path: Path
) -> None:
    mapping = code({'age = "age"': 'fold = "age"'})  # 50 and 51 for the two records of patient 1
    with pytest.raises(PrepareError, match=r"patient '1' is in fold 50 .* and in fold 51 "):
        prepared(mapping)


def test_an_hdf5_set_with_its_leads_before_its_samples_is_turned(
    code: Callable[..., Path], prepared: Run, tmp_path: Path
) -> None:
    path = code({'ids = "exam_id"\n': 'axes = ["record", "lead", "sample"]\nids = "exam_id"\n'})
    for file in tmp_path.glob("part*.hdf5"):
        with h5py.File(file, "a") as data:
            turned = data["tracings"][:].transpose(0, 2, 1)
            del data["tracings"]
            data["tracings"] = turned
    prepared(path)
    assert heights(tmp_path / "store") == pytest.approx(range(1, 13), abs=0.2)


def test_a_changed_mapping_makes_its_parts_anew(code: Callable[..., Path], prepared: Run, tmp_path: Path) -> None:
    prepared(code())
    assert prepared(code()).found == 0  # written again, and so perhaps another one
    path = tmp_path / "code.toml"
    assert prepared(path).found == 1
    path.write_text(path.read_text().replace("microvolts = 100.0", "microvolts = 50.0"))
    assert prepared(path).found == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"infarctions = true": ""}, "statements need infarctions = true"),
        ({"microvolts = 100.0": ""}, "one of unit and microvolts"),
        ({"microvolts = 100.0": 'unit = "kg"'}, "is no voltage"),
        ({"rate_hz = 400": "rate_hz = 4000"}, "outside 50 to 1000 Hz"),
        ({'"DI", ': '"VX", '}, "leads must be some of I, II"),
        ({'"part*.hdf5"': '"none*.hdf5"'}, "no file none"),
        ({'signals = "tracings"': 'signals = "ecg"'}, "has no dataset 'ecg': it has exam_id, tracings"),
        ({"rate_hz": "hertz"}, "rate_hz: Field required|hertz"),
        ({'record = "exam_id"\np': 'record = "study"\np'}, "lacks column study"),
        ({"[table]": "[table"}, "is no TOML"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_why(
    code: Callable[..., Path], changes: Mapping[str, str], message: str
) -> None:
    with pytest.raises(PrepareError, match=message):
        list_source("code", code(changes), None)


def test_a_record_of_other_leads_than_named_is_rejected_by_name(
    code: Callable[..., Path], prepared: Run, tmp_path: Path
) -> None:
    with pytest.raises(PrepareError, match="11: it has 12 leads, and 11 are named"):
        prepared(code({'"DI", ': ""}))


@given(st.text(min_size=1, max_size=12))
@settings(max_examples=30)
def test_a_patient_is_in_one_fold_of_ten(patient: str) -> None:
    assert 1 <= fold_of("set", patient) == fold_of("set", patient) <= FOLDS


def test_hashed_folds_are_about_equally_large_and_never_change() -> None:
    folds = [fold_of("ptbdb", f"patient{number:03d}") for number in range(1, 2001)]
    assert all(160 < folds.count(fold) < 240 for fold in range(1, FOLDS + 1))
    assert folds[:8] == [6, 1, 6, 3, 10, 2, 4, 8]
