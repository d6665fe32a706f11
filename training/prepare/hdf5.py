"""Recordings in HDF5 files, in whatever order their owners found good, as a small TOML file says.

::

    files = ["exams_part*.hdf5"]        # beside the TOML file; in order of name
    signals = "tracings"                # dataset: records × samples × leads
    axes = ["record", "sample", "lead"] # in which order; this one unless it is said
    leads = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    rate_hz = 400
    unit = "mV"                         # of the numbers: V, mV, uV, nV; or microvolts = 100.0 for one of them
    ids = "exam_id"                     # dataset with each record's name; else FILE:ROW
    padding = "zeros"                   # at both ends of a record, cut away; or "none"

    [table]                             # what is known of the records
    file = "exams.csv"
    record = "exam_id"                  # the column with their names
    patient = "patient_id"
    age = "age"
    sex = "is_male"                     # PTB-XL's 0 and 1, or words; with male = true, whether it is a man
    male = true
    fold = ""                           # a column with folds; else they are hashed from the patient

    [table.statements]                  # columns that say 1, true or yes where a record has a statement
    IMI = "inferior_infarct"
    AFIB = "AF"

Statements are taken only with ``infarctions = true`` in ``[table]``: it says that a record without an infarction
in the table has none. A table that knows nothing about infarctions must not turn its records into healthy ones.
"""

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.frames import LEADS
from shared.wfdb import RecordingError, Stretch, microvolts_per, millihertz, standard
from training.prepare.hashed_folds import fold_of
from training.prepare.listing import Layout, Listing, PrepareError, as_table
from training.prepare.tables import people, read_table

HDF5: Layout = "hdf5"
_PER_MICROVOLT = 10  # whole numbers are kept, a tenth of what the store keeps
_TRUE = frozenset({"1", "1.0", "true", "yes", "t", "y"})

Axis = Literal["record", "sample", "lead"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Table(_Strict):
    """The ``[table]`` of a mapping."""

    file: str
    record: str
    patient: str = ""
    age: str = ""
    sex: str = ""
    male: bool = False
    fold: str = ""
    infarctions: bool = False
    statements: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.statements and not self.infarctions:
            raise ValueError(
                "statements need infarctions = true, which says that a record without an infarction here has none"
            )
        return self


class Mapped(_Strict):
    """A mapping, checked."""

    files: list[str] = Field(min_length=1)
    signals: str
    axes: tuple[Axis, Axis, Axis] = ("record", "sample", "lead")
    leads: list[str] = Field(min_length=1)
    rate_hz: float
    unit: str = ""
    microvolts: float = Field(0.0, ge=0, allow_inf_nan=False)
    ids: str = ""
    padding: Literal["none", "zeros"] = "none"
    table: Table | None = None

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if len(set(self.axes)) < len(self.axes):
            raise ValueError("axes must name record, sample and lead, each once")
        meant = [standard(lead) for lead in self.leads]
        if None in meant or len(set(meant)) < len(meant):
            raise ValueError(f"leads must be some of {', '.join(LEADS)}, each once, in the order of the file")
        if bool(self.unit) == bool(self.microvolts):
            raise ValueError("one of unit and microvolts says what the numbers are")
        try:
            millihertz(self.rate_hz)
            microvolts_per(self.unit or "uV")
        except RecordingError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def microvolts_each(self) -> float:
        """What one of the file's numbers is worth."""
        return self.microvolts or microvolts_per(self.unit)


def read_mapping(path: Path) -> Mapped:
    """The mapping in a file; what is wrong in it is one line."""
    try:
        return Mapped.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise PrepareError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise PrepareError(f"{path}: {f'{where}: ' if where else ''}{said}") from None
    except (ValueError, RecursionError) as error:
        raise PrepareError(f"{path} is no TOML: {error!s:.100}") from None


def list_hdf5(path: Path, name: str) -> Listing:
    """The records of all files of a mapping, in order; reads their names and the table, no samples."""
    mapping = read_mapping(path)
    records: list[str] = []
    files: list[str] = []
    rows: list[int] = []
    for file in data_files(path, mapping):
        names = _names(file, mapping)
        records += names
        files += [file.name] * len(names)
        rows += range(len(names))
    table = pd.DataFrame({"record": records, "file": files, "row": rows})
    known = _known(path, mapping, table["record"])
    patient = known.get("patient", table["record"]).fillna(table["record"]) if known else table["record"]
    columns: dict[str, Any] = {**{str(column): table[column] for column in table.columns}, **known}
    if "fold" not in known:
        columns["fold"] = [fold_of(HDF5, str(each)) for each in patient]
    if "patient" in known:
        columns["patient"] = f"{name}:" + known["patient"]
    return Listing(name, HDF5, path, name, as_table(columns))


def data_files(path: Path, mapping: Mapped) -> list[Path]:
    """The files that the patterns of a mapping name. Refuses patterns that match none."""
    found = sorted({file for pattern in mapping.files for file in path.parent.glob(pattern) if file.is_file()})
    if not found:
        raise PrepareError(f"{path}: no file {' or '.join(mapping.files)} beside it")
    return found


class Reading:
    """An open file of a mapping. Use as a context manager; records are read one at a time."""

    def __init__(self, file: Path, mapping: Mapped) -> None:
        self._file, self._mapping = file, mapping
        self._data = _opened(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()

    def leads(self, row: int) -> dict[str, Stretch]:
        """One record. Refuses (`RecordingError`) one that is not there or is empty."""
        mapping = self._mapping
        dataset = _dataset(self._data, mapping.signals, self._file)
        index = tuple(row if axis == "record" else slice(None) for axis in mapping.axes)
        try:
            values = np.asarray(dataset[index], np.float64)
        except (OSError, ValueError, IndexError) as error:
            raise RecordingError(f"row {row} of {self._file.name} cannot be read: {error!s:.80}") from None
        if mapping.axes.index("sample") > mapping.axes.index("lead"):
            values = values.T
        if values.shape[1] != len(mapping.leads):
            raise RecordingError(f"it has {values.shape[1]} leads, and {len(mapping.leads)} are named")
        if mapping.padding == "zeros":
            values = _without_padding(values)
        if not len(values):
            raise RecordingError("it holds no sample")
        missing = ~np.isfinite(values)
        counts = np.rint(np.where(missing, 0.0, values) * (mapping.microvolts_each * _PER_MICROVOLT))
        rate = millihertz(mapping.rate_hz)
        return {
            str(standard(lead)): Stretch(counts[:, k].astype(np.int64), missing[:, k], 1 / _PER_MICROVOLT, rate)
            for k, lead in enumerate(mapping.leads)
        }


def _without_padding(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Without the samples at either end that are zero in every lead."""
    there = np.flatnonzero(values.any(axis=1))
    return values[there[0] : there[-1] + 1] if len(there) else values[:0]


def _names(file: Path, mapping: Mapped) -> list[str]:
    with _opened(file) as data:
        count = _dataset(data, mapping.signals, file).shape[mapping.axes.index("record")]
        if not mapping.ids:
            return [f"{file.stem}:{row}" for row in range(count)]
        ids = _dataset(data, mapping.ids, file)[:]
    if len(ids) != count:
        raise PrepareError(f"{file}: {len(ids)} names in {mapping.ids} for {count} records in {mapping.signals}")
    return [each.decode() if isinstance(each, bytes) else str(each) for each in ids.tolist()]


def _known(path: Path, mapping: Mapped, records: pd.Series) -> dict[str, pd.Series]:
    """What the table says of each record; nothing without a table."""
    about = mapping.table
    if about is None:
        return {}
    wanted = {"patient_id": about.patient, "age": about.age, "sex": about.sex, "strat_fold": about.fold}
    named = {column: source for column, source in wanted.items() if source}
    file = path.parent / about.file
    table = read_table(file, (about.record, *named.values(), *about.statements.values()))
    key = table[about.record].str.strip()
    if key.duplicated().any():
        raise PrepareError(f"{file} names record {key[key.duplicated()].iloc[0]} more than once")
    renamed = pd.DataFrame({column: table[source] for column, source in named.items()}, index=table.index)
    known = people(renamed, file, folds="strat_fold" in named)
    if about.male and about.sex:
        known["sex"] = (1 - _truth(table[about.sex]).astype(int)).where(table[about.sex].str.strip() != "")
    if about.infarctions:
        has = {code: _truth(table[column]) for code, column in about.statements.items()}
        known["scp"] = pd.Series(
            [" ".join(code for code in has if has[code].iloc[k]) for k in range(len(table))], index=table.index
        )
    if "strat_fold" not in named:
        del known["fold"]
    by_record = pd.DataFrame(known).set_axis(key, axis=0).reindex(records)
    if not key.isin(records).any():
        raise PrepareError(
            f"{file} names no record of the files: {key.iloc[0]!r} is not among {records.iloc[0]!r}, …"
        )
    return {
        str(column): by_record[column].reset_index(drop=True)
        for column in by_record.columns
        if column != "label_source"
    }


def _truth(column: pd.Series) -> pd.Series:
    return column.str.strip().str.lower().isin(_TRUE)


def _opened(file: Path) -> Any:
    import h5py  # noqa: PLC0415 - only sets in HDF5 need it

    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise PrepareError(f"{file} is no readable HDF5 file: {error!s:.100}") from None


def _dataset(data: Any, name: str, file: Path) -> Any:
    if name not in data:
        raise PrepareError(f"{file} has no dataset {name!r}: it has {', '.join(data)}")
    return data[name]
