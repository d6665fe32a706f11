"""Recordings to test on: a folder in PTB-XL's layout is read as it is, and as far as it is needed."""

from pathlib import Path

import numpy as np
import pytest

from services.ingest.synthetic.ptbxl_layout import plan, write
from training.evaluate.data import opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    for _ in write(out, plan(20, seed=1)):
        pass
    return out


def test_only_the_folds_asked_for_are_read_and_nothing_stays_behind(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    with opened(folder, (9, 10)) as tested:
        assert set(tested.store.folds.tolist()) <= {9, 10}
        assert 0 < len(tested.store) < 20
        made = tested.store.path
    assert not made.exists()
    assert sorted(folder.rglob("*")) == before


def test_a_broken_record_is_named_counted_and_left_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "data"
    broken.mkdir()
    rows = plan(20, seed=1)
    for _ in write(broken, rows):
        pass
    first = next(row for row in rows if row.fold == 9)
    (broken / f"{first.name(100)}.dat").write_bytes(b"short")
    with opened(folder, (9, 10)) as whole, opened(broken, (9, 10)) as tested:
        assert tested.rejected == 1
        assert len(tested.store) == len(whole.store) - 1
    assert f"record {first.ecg_id} is left out" in capsys.readouterr().err


@pytest.mark.data
def test_ptb_xl_itself_is_read(data_dir: Path) -> None:
    with opened(data_dir / "ptbxl", (9,)) as tested:
        assert len(tested.store) == 479
        assert int(np.nansum(tested.store.labels()[:, -1])) == 97
        assert set(tested.store.units.tolist()) == {"mv"}
