"""MIMIC-IV-ECG: `record_list.csv` beside the records it names, a subject each; it brings neither labels nor folds.

Its leads come as I, II, III, aVR, aVF, aVL: told by name here, as everywhere.
"""

from pathlib import Path

from training.prepare.hashed_folds import fold_of
from training.prepare.headers import records_below
from training.prepare.listing import Layout, Listing, as_table
from training.prepare.tables import read_table

RECORD_LIST = "record_list.csv"
MIMIC: Layout = "mimic-iv-ecg"


def list_mimic(folder: Path, name: str) -> Listing:
    """The records of the list, each with its files if they are there; all ECGs of a subject are in one fold.

    Costs one listing of each folder, not a look at each file.
    """
    table = read_table(folder / RECORD_LIST, ("subject_id", "study_id", "path"))
    subject = table["subject_id"].str.strip()
    path = table["path"].str.strip().str.removesuffix(".hea")
    there = frozenset(records_below(folder))
    folds = {patient: fold_of(MIMIC, patient) for patient in subject.unique()}
    return Listing(
        name,
        MIMIC,
        folder,
        MIMIC,
        as_table(
            {
                "record": table["study_id"].str.strip(),
                "file": path.where(path.isin(there), ""),
                "row": [0] * len(table),
                "patient": f"{MIMIC}:" + subject,
                "fold": subject.map(folds),
            }
        ),
    )
