"""The data set on disk is what a reader of PTB-XL expects."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from services.ingest.simulate import main
from services.ingest.synthetic import KINDS, LEADS, SimulationError, quantised, simulate_12
from services.ingest.synthetic.ptbxl_layout import make_room, plan, scp_codes
from shared.errors import SelfmisError
from shared.labels import MI_CODES

RECORDS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "set"
    assert main(["--layout", "ptbxl", "--out", str(out), "--records", str(RECORDS), "--seed", "5"]) == 0
    return out


def test_wfdb_reads_every_record(folder: Path) -> None:
    table = pd.read_csv(folder / "ptbxl_database.csv", index_col="ecg_id")
    assert len(table) == RECORDS
    for name in table.filename_lr:
        record = wfdb.rdrecord(str(folder / name))
        assert record.fs == 100
        assert tuple(record.sig_name) == LEADS
        assert record.p_signal.shape == (1000, 12)
        assert record.units == ["mV"] * 12


def test_a_record_holds_the_simulated_millivolts(folder: Path) -> None:
    row = plan(RECORDS, 5)[6]
    record = wfdb.rdrecord(str(folder / row.name(100)), physical=False)
    np.testing.assert_array_equal(record.d_signal.T, quantised(simulate_12(row.spec, 0, 1000), 1.0))
    sums = record.d_signal.astype(np.int64).sum(axis=0) & 0xFFFF
    assert [c & 0xFFFF for c in record.checksum] == sums.tolist()


def test_every_statement_is_explained_and_every_kind_present(folder: Path) -> None:
    table = pd.read_csv(folder / "ptbxl_database.csv")
    known = set(pd.read_csv(folder / "scp_statements.csv", index_col=0).index)
    used = {code for codes in table.scp_codes for code in ast.literal_eval(codes)}
    assert used <= known
    assert set(MI_CODES) <= used
    assert {"NORM", "AFIB", "CLBBB", "CRBBB", "LVH", "PVC", "STACH", "PACE", "STE_", "SR"} <= used
    assert set(table.label_source) == {"simulated"}


@pytest.mark.data
def test_the_tables_have_ptb_xl_s_columns(folder: Path, data_dir: Path) -> None:
    for name in ("ptbxl_database.csv", "scp_statements.csv"):
        ours, real = (pd.read_csv(f / name, index_col=0) for f in (folder, data_dir / "ptbxl"))
        assert list(ours.columns) == list(real.columns)
        if name == "scp_statements.csv":
            classes = ["diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"]
            pd.testing.assert_frame_equal(ours[classes], real.loc[ours.index, classes])


def test_folds_are_disjoint_by_patient_and_all_used() -> None:
    rows = plan(2000, 1)
    folds: dict[int, set[int]] = {}
    for row in rows:
        folds.setdefault(row.spec.patient, set()).add(row.fold)
    assert all(len(f) == 1 for f in folds.values())
    assert {row.fold for row in rows} == set(range(1, 11))
    assert 0.05 < 1 - len(folds) / len(rows) < 0.2


@pytest.mark.parametrize("records", [1, 17, 25, 333])
def test_a_plan_has_as_many_records_as_asked_and_every_kind_where_it_can(records: int) -> None:
    rows = plan(records, 3)
    assert [row.ecg_id for row in rows] == list(range(1, records + 1))
    if records >= 2 * len(KINDS):
        assert {row.spec.kind for row in rows} == set(KINDS)


def test_each_rare_type_is_in_every_fold_of_a_large_set() -> None:
    rows = plan(2000, 1)
    for code in MI_CODES:
        assert {row.fold for row in rows if row.spec.kind == code} == set(range(1, 11)), code


def test_scp_codes_name_the_kind() -> None:
    assert scp_codes("IPLMI") == {"IPLMI": 100.0, "SR": 0.0}
    assert scp_codes("AFIB") == {"AFIB": 0.0}


def test_same_seed_same_bytes(folder: Path, tmp_path: Path) -> None:
    main(["--layout", "ptbxl", "--out", str(tmp_path), "--records", str(RECORDS), "--seed", "5"])
    for file in sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file()):
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()


def test_both_rates_show_the_same_beats(tmp_path: Path) -> None:
    main(["--layout", "ptbxl", "--out", str(tmp_path), "--records", "2", "--rate", "500"])
    table = pd.read_csv(tmp_path / "ptbxl_database.csv")
    slow, fast = (
        wfdb.rdrecord(str(tmp_path / table[c][0])).p_signal[:, 1] for c in ("filename_lr", "filename_hr")
    )
    assert fast.size == 5 * slow.size
    assert np.corrcoef(slow, fast[::5])[0, 1] > 0.9


def test_a_folder_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for force in (False, True):
        with pytest.raises(SimulationError):
            make_room(tmp_path, force=force)
    assert (tmp_path / "thesis.tex").exists()


def test_real_records_are_not_deleted_even_by_force(tmp_path: Path) -> None:
    (tmp_path / "records100").mkdir()
    (tmp_path / "ptbxl_database.csv").write_text("ecg_id,label_source\n1,original\n")
    with pytest.raises(SimulationError, match="does not delete"):
        make_room(tmp_path, force=True)


def test_force_replaces_a_simulated_data_set_even_an_unfinished_one(tmp_path: Path) -> None:
    for _ in range(2):
        main(["--layout", "ptbxl", "--out", str(tmp_path), "--records", "1", "--force"])
    (tmp_path / "ptbxl_database.csv").unlink()
    (tmp_path / "UNFINISHED").touch()
    make_room(tmp_path, force=True)
    assert not any(tmp_path.iterdir())


def test_a_senseless_number_of_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SelfmisError, match="--records 0"):
        main(["--layout", "ptbxl", "--out", str(tmp_path), "--records", "0"])
