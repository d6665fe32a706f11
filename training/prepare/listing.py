"""What a folder of recordings holds: one row a record, before any sample is read.

A listing of 800,000 records is a table of some hundred megabytes; statements stay text until a part is made.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from shared.errors import SelfmisError

Layout = Literal["ptbxl", "ptbxl-normalised", "wfdb", "ptbdb", "challenge", "mimic-iv-ecg", "hdf5"]
PTBXL = "ptbxl"
# What `Listing.table` holds; `None`/NaN where nothing is known.
COLUMNS = ("record", "file", "row", "patient", "age", "sex", "fold", "scp", "label_source")


class PrepareError(SelfmisError):
    """Recordings that cannot be prepared as they are."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record to read. ``file``: its WFDB name below the source's folder; ``row``: where it is in an array."""

    record: str
    file: str
    row: int
    patient: str | None
    age: float | None
    sex: int | None
    fold: int | None
    scp: str | None
    label_source: str | None


@dataclass(frozen=True, eq=False)
class Listing:
    """A source and its records, in the order of its own table.

    ``collection``: records of one collection with the same name are the same record, wherever they lie.
    ``folder`` is what `training.prepare.part` reads from: for HDF5 the file that describes it.
    A row without a file keeps its place: blocks of rows become parts, so that files that arrive later change only
    their own part.
    """

    name: str
    layout: Layout
    folder: Path
    collection: str
    table: pd.DataFrame

    @property
    def absent(self) -> int:
        """How many rows have no file."""
        return int((self.table["file"] == "").sum())


def entries(table: pd.DataFrame) -> Iterator[Entry]:
    """The rows of some of a listing's table that have files."""
    for values in table.loc[table["file"] != "", list(COLUMNS)].itertuples(index=False):
        record, file, row, patient, age, sex, fold, scp, label_source = values
        yield Entry(
            record=record,
            file=file,
            row=int(row),
            patient=_known(patient),
            age=None if pd.isna(age) else float(age),
            sex=None if pd.isna(sex) else int(sex),
            fold=None if pd.isna(fold) else int(fold),
            scp=_known(scp),
            label_source=_known(label_source),
        )


def _known(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def as_table(columns: Mapping[str, Sequence[object] | pd.Series]) -> pd.DataFrame:
    """A listing's table of these columns; those not given are unknown everywhere."""
    table = pd.DataFrame(columns)
    for name in COLUMNS:
        if name not in table:
            table[name] = None
    return table[list(COLUMNS)]
