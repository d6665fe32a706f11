"""PTB-XL's own layout, whole or in part: `ptbxl_database.csv` beside `records100/` and `records500/`."""

import os
from pathlib import Path

import pandas as pd

from training.prepare.listing import PTBXL, Listing, PrepareError, as_table
from training.prepare.tables import people, read_table

DATABASE = "ptbxl_database.csv"
# In order of preference: 100 Hz needs no resampling.
NAMES = ("filename_lr", "filename_hr")
SIMULATED = "simulated"


def list_ptbxl(folder: Path, name: str) -> Listing:
    """The records of the table, each with those of its files that are there.

    A simulated data set is a collection of its own: its record 1 is not PTB-XL's.
    """
    path = folder / DATABASE
    table = read_table(path, ("ecg_id", "scp_codes", "strat_fold"))
    columns = [column for column in NAMES if column in table]
    if not columns:
        raise PrepareError(f"{path} lacks column {' and '.join(NAMES)}: one of them names the records' files")
    there = _headers(folder, {top for column in columns for top in table[column].str.split("/").str[0].unique()})
    files = pd.Series("", index=table.index)
    for column in columns:
        found = table[column].where(table[column].isin(there), "")
        files = files.where(files != "", found)
    known = people(table, path)
    simulated = bool((known["label_source"] == SIMULATED).all())
    collection = name if simulated else PTBXL
    known["patient"] = f"{collection}:" + known["patient"]
    return Listing(
        name,
        "ptbxl",
        folder,
        collection,
        as_table(
            {
                "record": table["ecg_id"].str.strip(),
                "file": files,
                "row": [0] * len(table),
                "scp": table["scp_codes"],
                **known,
            }
        ),
    )


def _headers(folder: Path, tops: set[str]) -> frozenset[str]:
    """All records below the folders that the table names, found by listing them: one call a folder, not a file."""
    found: set[str] = set()
    for top in tops:
        for where, _, names in os.walk(folder / top):
            below = Path(where).relative_to(folder).as_posix()
            found.update(f"{below}/{name[:-4]}" for name in names if name.endswith(".hea"))
    return frozenset(found)
