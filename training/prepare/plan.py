"""From the listings of all sources to the parts to make: every record once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.prepare.defaults import RECORDS_A_PART
from training.prepare.listing import Listing, PrepareError, entries
from training.prepare.part import Cutting, Job


@dataclass(frozen=True, eq=False)
class Planned:
    """A source and which of its rows are taken; ``duplicates`` are in the store by another row or source."""

    listing: Listing
    take: npt.NDArray[np.bool_]
    duplicates: int

    @property
    def records(self) -> int:
        """How many records of it will be read."""
        return int(self.take.sum())


def without_duplicates(listings: Sequence[Listing]) -> list[Planned]:
    """Each record of a collection once: recordings before what survives only normalised, then the first."""
    seen: dict[str, set[str]] = {}
    planned: dict[str, Planned] = {}
    for listing in sorted(listings, key=lambda each: each.layout == "ptbxl-normalised"):
        known = seen.setdefault(listing.collection, set())
        present = (listing.table["file"] != "").to_numpy(np.bool_)
        take = np.zeros(len(present), np.bool_)
        records = listing.table["record"].tolist()
        for row in np.flatnonzero(present).tolist():
            record = records[row]
            take[row] = record not in known
            known.add(record)
        planned[listing.name] = Planned(listing, take, int(present.sum() - take.sum()))
    return [planned[listing.name] for listing in listings]


def refuse_patients_in_two_folds(planned: Sequence[Planned]) -> None:
    """Refuse a patient with records in two folds: a model would be tested on whom it was trained on.

    Patients are told apart as the store does it, by what `Listing.table` calls them, over all sources; records of
    no known patient or fold are passed over, and so are those that are not taken. Memory is an entry a patient.
    """
    folds: dict[str, tuple[int, str]] = {}
    for source in planned:
        listing = source.listing
        known = listing.table.loc[source.take, ["patient", "fold"]].dropna().drop_duplicates()
        for patient, number in zip(known["patient"].tolist(), known["fold"].tolist(), strict=True):
            fold, before = folds.setdefault(str(patient), (int(number), listing.name))
            if fold != int(number):
                raise PrepareError(
                    f"patient {str(patient).partition(':')[2]!r:.40} is in fold {fold} (of {before}) and in fold"
                    f" {int(number)} (of {listing.name}): give all records of a patient the same fold"
                )


def jobs(
    planned: Sequence[Planned], out: Path, cutting: Cutting, records_a_part: int = RECORDS_A_PART
) -> Iterator[Job]:
    """The parts, one after the other; each job is made when it is asked for.

    Records of many segments make parts of fewer records, so that a part's memory stays the same.
    """
    step = max(1, records_a_part // cutting.segments)
    number = 0
    for source in planned:
        listing = source.listing
        for start in range(0, len(listing.table), step):
            block = slice(start, start + step)
            table = listing.table.iloc[block][source.take[block]]
            if len(table):
                taken = tuple(entries(table))
                yield Job(number, out, listing.name, listing.layout, listing.folder, taken, cutting)
                number += 1
