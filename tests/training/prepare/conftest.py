"""A small data set in PTB-XL's layout, and preparing a store from it in the test's own folder, in this process."""

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.frames import LEADS
from training.prepare.part import Cutting
from training.prepare.run import Prepared, list_source, plan_sources, prepare
from training.prepare.spread import here

Make = Callable[..., Path]
HEADINGS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", "filename_lr", "filename_hr")


def fold(patient: int) -> int:
    """All records of a patient are in one fold, whichever source they lie in."""
    return patient % 9 + 2


@pytest.fixture
def ptbxl(tmp_path: Path) -> Make:
    """Writes records in PTB-XL's layout: `count` of them, ids from `first`; `changes[k]` changes row k.

    The samples tell who they are: lead l of record i is 100 i + 10 l microvolts plus a saw tooth.
    """
    import wfdb  # takes half a second, and most tests need none

    def write(
        name: str = "ptbxl",
        count: int = 4,
        *,
        first: int = 1,
        rate: int = 100,
        changes: Mapping[int, Mapping[str, Any]] | None = None,
        leads: Sequence[str] = LEADS,
    ) -> Path:
        folder = tmp_path / name
        rows = []
        for k in range(count):
            i = first + k
            lr, hr = (f"records{r}/00000/{i:05d}_{suffix}" for r, suffix in ((100, "lr"), (500, "hr")))
            path = folder / (lr if rate == 100 else hr)
            path.parent.mkdir(parents=True, exist_ok=True)
            tooth = np.arange(10 * rate) // (rate // 100) % 20
            uv = 100 * i + 10 * np.array([LEADS.index(lead) for lead in leads]) + tooth[:, None]
            wfdb.wrsamp(
                path.name,
                fs=rate,
                units=["mV"] * len(leads),
                sig_name=list(leads),
                d_signal=uv.astype(np.int64),
                fmt=["16"] * len(leads),
                adc_gain=[1000.0] * len(leads),
                baseline=[0] * len(leads),
                write_dir=str(path.parent),
            )
            row = {
                "ecg_id": i,
                "patient_id": f"{i // 2}.0",
                "age": "61.0",
                "sex": i % 2,
                "scp_codes": "{'IMI': 0.0, 'SR': 0.0}" if i % 2 else "{'NORM': 100.0}",
                "strat_fold": fold(i // 2),
                "filename_lr": lr,
                "filename_hr": hr,
            }
            rows.append(row | dict((changes or {}).get(k, {})))
        with (folder / "ptbxl_database.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, HEADINGS, extrasaction="ignore")
            table.writeheader()
            table.writerows(rows)
        return folder

    return write


@pytest.fixture
def normalised(tmp_path: Path) -> Make:
    """Writes records that survive only as z-scores; lead l of record i is i + l thousandths throughout."""

    def write(ids: Sequence[int], name: str = "ptbxl-normalised") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        x = np.array(ids)[:, None, None] + np.arange(12)[:, None] + np.zeros((1, 1, 1000), int)
        np.savez(folder / "records.npz", ecg_id=np.array(ids), x=x.astype(np.int16))
        lines = [f"{i},{i}.0,50.0,1,\"{{'NORM': 80.0}}\",{fold(i)}" for i in ids]
        text = "\n".join(["ecg_id,patient_id,age,sex,scp_codes,strat_fold", *lines])
        (folder / "ptbxl_database.csv").write_text(text)
        return folder

    return write


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Prepared]:
    """Prepares `tmp_path / "store"` from these folders."""

    def run(
        *folders: Path, labels: Path | None = None, segments: int = 1, lead: str | None = None, **more: Any
    ) -> Prepared:
        planned = plan_sources([list_source(folder.name, folder, labels) for folder in folders])
        how: dict[str, Any] = {"spread": here, "now": datetime(2026, 1, 2, tzinfo=UTC), "code": "test"} | more
        return prepare(planned, tmp_path / "store", cutting=Cutting(segments, lead), **how)

    return run
