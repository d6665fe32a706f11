"""Simulated recordings written as a data set in PTB-XL's own layout, for whatever reads PTB-XL.

The two tables and the WFDB records have PTB-XL's names, columns, lead order and number format; what tells them
from the original is ``label_source``, which says ``simulated`` in every row. The tables are written last, so that
nothing reads half a data set.
"""

import csv
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.ingest.synthetic.cohort import ARCHIVE, allocate, case
from services.ingest.synthetic.draws import Draws
from services.ingest.synthetic.leads import LEADS
from services.ingest.synthetic.mimics import SCP
from services.ingest.synthetic.patient import simulate_12
from services.ingest.synthetic.spec import PatientSpec, SimulationError, quantised
from shared.labels import MI_CODES, MI_TYPES, NORMAL

DATABASE, STATEMENTS = "ptbxl_database.csv", "scp_statements.csv"
SIMULATED = "simulated"
# Stands in the folder while it is being written; tells an interrupted simulation from someone's records.
_UNFINISHED = "UNFINISHED"
SECONDS = 10
FOLDS = 10
_UV_PER_LSB = 1.0
_SUFFIX: Mapping[int, str] = {100: "lr", 500: "hr"}
# One patient in eight is recorded twice or three times, as in PTB-XL.
_AGAIN = (0.10, 0.025)

_STATEMENT_COLUMNS = (
    "",
    "description",
    "diagnostic",
    "form",
    "rhythm",
    "diagnostic_class",
    "diagnostic_subclass",
    "Statement Category",
    "SCP-ECG Statement Description",
    "AHA code",
    "aECG REFID",
    "CDISC Code",
    "DICOM Code",
)
# PTB-XL's diagnostic subclass of each MI type.
_SUBCLASS: Mapping[str, str] = {"ASMI": "AMI", "ALMI": "AMI", "ILMI": "IMI", "IPLMI": "IMI", "IPMI": "IMI"}
# code: description, diagnostic, form, rhythm, class, subclass
_STATEMENTS: Mapping[str, tuple[str, str, str, str, str, str]] = {
    NORMAL: ("normal ECG", "1.0", "", "", "NORM", "NORM"),
    **{
        mi.code: (f"{mi.name} myocardial infarction", "1.0", "", "", "MI", _SUBCLASS.get(mi.code, mi.code))
        for mi in MI_TYPES
    },
    "LVH": ("left ventricular hypertrophy", "1.0", "", "", "HYP", "LVH"),
    "CLBBB": ("complete left bundle branch block", "1.0", "", "", "CD", "CLBBB"),
    "CRBBB": ("complete right bundle branch block", "1.0", "", "", "CD", "CRBBB"),
    "STE_": ("non-specific ST elevation", "", "1.0", "", "", ""),
    "PVC": ("ventricular premature complex", "", "1.0", "", "", ""),
    "SR": ("sinus rhythm", "", "", "1.0", "", ""),
    "AFIB": ("atrial fibrillation", "", "", "1.0", "", ""),
    "STACH": ("sinus tachycardia", "", "", "1.0", "", ""),
    "PACE": ("normal functioning artificial pacemaker", "", "", "1.0", "", ""),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One recording of the data set: who, what it shows, and in which of the patient-disjoint folds it is."""

    ecg_id: int
    spec: PatientSpec
    fold: int

    def name(self, rate: int) -> str:
        """The record's name as PTB-XL would give it."""
        return f"records{rate}/{self.ecg_id // 1000 * 1000:05d}/{self.ecg_id:05d}_{_SUFFIX[rate]}"


def scp_codes(kind: str) -> dict[str, float]:
    """PTB-XL's statements for a kind of patient."""
    if kind == NORMAL:
        return {NORMAL: 100.0, "SR": 0.0}
    if kind in MI_CODES:
        return {kind: 100.0, "SR": 0.0}
    return dict(SCP[kind])


def plan(records: int, seed: int, mix: Mapping[str, float] = ARCHIVE) -> list[Row]:
    """The recordings of a data set: every kind, some patients more than once, folds disjoint by patient."""
    rows: list[Row] = []
    seen: dict[str, int] = {}
    times = _times(records, seed)
    for patient, kind in enumerate(allocate(mix, len(times))):
        seen[kind] = seen.get(kind, -1) + 1
        # Round robin within each kind, begun at a different fold for each, keeps rare kinds out of no fold.
        fold = (seen[kind] + 3 * list(mix).index(kind)) % FOLDS + 1
        first = case(kind, seed, patient)
        for recording in range(times[patient]):
            # At each later recording an infarct is older.
            spec = replace(first, recording=recording, onset_s=first.onset_s * (1 + 0.5 * recording))
            rows.append(Row(len(rows) + 1, spec, fold))
    return rows


def _times(records: int, seed: int) -> list[int]:
    """How often each patient is recorded, so that all recordings are ``records``."""
    times: list[int] = []
    left = records
    while left:
        again = Draws(seed, len(times), "again").uniform("times")
        times.append(min(1 + (again < sum(_AGAIN)) + (again < _AGAIN[1]), left))
        left -= times[-1]
    return times


def write(out: Path, rows: list[Row], rates: tuple[int, ...] = (100,)) -> Iterator[Row]:
    """Write the data set into ``out``, yielding each row once its record is on disk; the tables come last."""
    unknown = [rate for rate in rates if rate not in _SUFFIX]
    if unknown:
        raise SimulationError(f"PTB-XL's layout has 100 and 500 Hz, not {unknown[0]} Hz")
    (out / _UNFINISHED).touch()
    for row in rows:
        for rate in rates:
            _write_record(out, row, rate)
        yield row
    _write_statements(out / STATEMENTS)
    _write_database(out / DATABASE, rows, rates)
    (out / _UNFINISHED).unlink()


def make_room(out: Path, *, force: bool) -> None:
    """Make ``out`` an empty folder; refuses one that is not, unless ``force`` and it is a simulated data set."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        out.mkdir(parents=True, exist_ok=True)
        return
    if not out.is_dir():
        raise SimulationError(f"{out} is a file; name a folder")
    if not force:
        raise SimulationError(
            f"{out} is not empty; name another folder, or --force to replace a simulated data set"
        )
    if not _is_simulated(out):
        raise SimulationError(
            f"{out} holds something other than a simulated data set; --force does not delete that"
        )
    for rate in _SUFFIX:
        shutil.rmtree(out / f"records{rate}", ignore_errors=True)
    for table in (DATABASE, STATEMENTS, _UNFINISHED):
        (out / table).unlink(missing_ok=True)


def _is_simulated(out: Path) -> bool:
    known = {DATABASE, STATEMENTS, _UNFINISHED, *(f"records{rate}" for rate in _SUFFIX)}
    if {entry.name for entry in out.iterdir()} - known:
        return False
    if not (out / DATABASE).exists():
        return (out / _UNFINISHED).exists()
    with (out / DATABASE).open(newline="", encoding="utf-8") as file:
        return all(row.get("label_source") == SIMULATED for row in csv.DictReader(file))


def _write_record(out: Path, row: Row, rate: int) -> None:
    spec = replace(row.spec, rate_mhz=rate * 1000)
    samples = quantised(simulate_12(spec, 0, SECONDS * rate), _UV_PER_LSB).T  # time × leads
    path = out / row.name(rate)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + ".dat").write_bytes(samples.astype("<i2").tobytes())
    path.with_name(path.name + ".hea").write_text(header(path.name, samples, rate), encoding="ascii")


def header(name: str, samples: npt.NDArray[np.int16], rate: int) -> str:
    """The WFDB header of a 12-lead record (time × leads) in format 16, as PTB-XL's are."""
    lines = [f"{name} {samples.shape[1]} {rate} {samples.shape[0]}"]
    sums = samples.sum(axis=0, dtype=np.int64) & 0xFFFF
    for lead, start, total in zip(LEADS, samples[0].tolist(), sums.tolist(), strict=True):
        lines.append(f"{name}.dat 16 {1000 / _UV_PER_LSB:.1f}(0)/mV 16 0 {start} {total} 0 {lead}")
    return "\n".join(lines) + "\n"


def _write_database(path: Path, rows: list[Row], rates: tuple[int, ...]) -> None:
    names = [f"filename_{_SUFFIX[rate]}" for rate in rates]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", *names, "label_source"])
        for row in rows:
            spec = row.spec
            files = [row.name(rate) for rate in rates]
            # PTB-XL numbers patients from 1 and writes them as floats, since some are unknown there.
            who = [f"{spec.patient + 1:.1f}", spec.age, spec.sex]
            table.writerow([row.ecg_id, *who, scp_codes(spec.kind), row.fold, *files, SIMULATED])


def _write_statements(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_STATEMENT_COLUMNS)
        for code, known in _STATEMENTS.items():
            table.writerow([code, *known, *[""] * (len(_STATEMENT_COLUMNS) - 1 - len(known))])
