"""Preparing a store from start to end: list, plan, make the parts, report, write the manifest."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from training.locked import LOCK, locked
from training.prepare.commented import layout_of, list_commented
from training.prepare.defaults import RECORDS_A_PART
from training.prepare.hdf5 import list_hdf5
from training.prepare.headers import records_below
from training.prepare.listing import Listing, PrepareError
from training.prepare.mimic import RECORD_LIST, list_mimic
from training.prepare.normalised import RECORDS, list_normalised
from training.prepare.part import Cutting, Job, Outcome
from training.prepare.plain import list_plain
from training.prepare.plan import Planned, jobs, refuse_patients_in_two_folds, without_duplicates
from training.prepare.ptbxl import DATABASE, list_ptbxl
from training.progress import Progress
from training.store import Part, Source, finish

REJECTED = "rejected.csv"
Spread = Callable[[Iterable[Job]], Iterator[Outcome]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run made: counts for the one line at the end, and the records that were rejected, with the reason."""

    segments: int
    parts: int
    found: int
    sources: tuple[Source, ...]
    rejected: tuple[tuple[str, str, str], ...]


def list_source(name: str, folder: Path, labels: Path | None) -> Listing:
    """The records of a folder, whichever layout it has, or of an HDF5 mapping (TOML). Refuses what is neither."""
    if folder.suffix == ".toml" and folder.is_file():
        _refuse_labels(folder, labels)
        return list_hdf5(folder, name)
    if not folder.is_dir():
        raise PrepareError(f"{folder} is no folder: name a folder of recordings, or the TOML file of HDF5 ones")
    table, array = (folder / DATABASE).is_file(), (folder / RECORDS).is_file()
    if array and not table:
        raise PrepareError(f"{folder} has {RECORDS} but no {DATABASE}, which says what its records are")
    if table:
        _refuse_labels(folder, labels)
        return (list_normalised if array else list_ptbxl)(folder, name)
    if (folder / RECORD_LIST).is_file():
        _refuse_labels(folder, labels)
        return list_mimic(folder, name)
    records = records_below(folder)
    if not records:
        raise PrepareError(
            f"{folder} holds no WFDB record (.hea) and no PTB-XL table: name a folder of recordings"
        )
    # A table that comes with them knows better than the comments in their headers.
    layout = layout_of(folder / f"{records[0]}.hea") if labels is None else None
    if layout is not None:
        return list_commented(folder, name, layout, records)
    return list_plain(folder, name, labels, records)


def _refuse_labels(source: Path, labels: Path | None) -> None:
    if labels is not None:
        raise PrepareError(f"{source} has its own table: --labels is for plain folders")


def plan_sources(listings: Sequence[Listing]) -> list[Planned]:
    """Every record once. Refuses sources of which not one record has its files, and a patient in two folds."""
    planned = without_duplicates(listings)
    if not any(source.records for source in planned):
        listing = listings[0]
        raise PrepareError(
            f"{listing.folder}: none of the {len(listing.table):,} records that its table names has files there"
        )
    refuse_patients_in_two_folds(planned)
    return planned


def prepare(
    planned: Sequence[Planned],
    out: Path,
    *,
    cutting: Cutting,
    spread: Spread,
    now: datetime,
    code: str,
    progress: Progress | None = None,
    records_a_part: int = RECORDS_A_PART,
) -> Prepared:
    """Make the store ``out``, or what of it is not made yet.

    A fault of a part (a full disk) ends the run; what is done stays and is not done again.
    """
    with _alone(out):
        outcomes = []
        for outcome in spread(jobs(planned, out, cutting, records_a_part)):
            if outcome.error is not None:
                raise PrepareError(outcome.error)
            outcomes.append(outcome)
            if progress is not None:
                done = (0, outcome.records) if outcome.found else (outcome.records, 0)
                progress.advance(*done)
        if progress is not None:
            progress.close()
        outcomes.sort(key=lambda outcome: outcome.number)
        sources, rejected = _accounts(planned, outcomes)
        _report(out / REJECTED, rejected)
        parts = [part for outcome in outcomes if (part := outcome.part) is not None]
        if not any(part.segments for part in parts):
            _, record, why = rejected[0]
            raise PrepareError(
                f"no usable recording in {', '.join(str(s.listing.folder) for s in planned)}: "
                f"{record}: {why} (and {len(rejected) - 1} more in {out / REJECTED})"
            )
        finish(out, parts, sources, created=now, code=code)
    found = sum(outcome.found for outcome in outcomes)
    return Prepared(sum(part.segments for part in parts), len(parts), found, tuple(sources), tuple(rejected))


def _accounts(
    planned: Sequence[Planned], outcomes: Sequence[Outcome]
) -> tuple[list[Source], list[tuple[str, str, str]]]:
    sources, rejected = [], []
    for source in planned:
        listing = source.listing
        own: list[Part] = [o.part for o in outcomes if o.source == listing.name and o.part is not None]
        refused = [(listing.name, record, why) for part in own for record, why in part.rejected.items()]
        rejected += refused
        segments = sum(part.segments for part in own)
        sources.append(
            Source(listing.name, listing.layout, segments, len(refused), listing.absent, source.duplicates)
        )
    return sources, rejected


def _report(path: Path, rejected: Sequence[tuple[str, str, str]]) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["source", "record", "why"])
            table.writerows(rejected)
    except OSError as error:
        raise PrepareError(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """The store's folder, made if need be, and no other run in it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        strangers = sorted(path.name for path in out.iterdir() if not _ours(path.name))
        if strangers:
            raise PrepareError(f"{out} holds {strangers[0]}, which is no store's: name an empty folder")
    except FileExistsError:
        raise PrepareError(f"{out} is a file: name a folder for the store") from None
    except OSError as error:
        raise PrepareError(f"cannot write {out}: {error.strerror}") from None
    taken = "is being prepared by another run: wait for it, or name another folder"
    with locked(out, PrepareError, taken=taken):
        yield


def _ours(name: str) -> bool:
    return name in {LOCK, REJECTED, "manifest.json"} or name.startswith(("part-", ".writing-"))
