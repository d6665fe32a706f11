"""Making one part of a store: the unit of work, the same wherever it is done."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.frames import LEADS
from shared.wfdb import RecordingError, Stretch
from training.prepare.commented import CHALLENGE, PTBDB, said_in
from training.prepare.cut import cut
from training.prepare.hdf5 import HDF5, Reading, read_mapping
from training.prepare.listing import Entry, Layout, PrepareError
from training.prepare.normalised import RECORDS, Z_PER_COUNT, read_rows
from training.prepare.tables import statements_of
from training.prepare.wfdb_leads import read_leads
from training.store import Part, Segment, StoreError, bits_of, read_part, write_part

# Change it whenever the same recordings would give another part.
PREPARATION = 1


@dataclass(frozen=True, slots=True)
class Cutting:
    """How records become segments: most segments of one record, and the lead that an unnamed single signal is."""

    segments: int = 1
    lead: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One part to make; travels to whoever makes it. Paths are absolute, on a file system that all share."""

    number: int
    out: Path
    source: str
    layout: Layout
    folder: Path
    entries: tuple[Entry, ...]
    cutting: Cutting


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job. ``error`` is a fault of the whole part (a full disk), not of a record."""

    number: int
    source: str
    records: int
    part: Part | None
    found: bool = False
    error: str | None = None


def make(job: Job) -> Outcome:
    """Make a part, unless it is there. Costs 24 kB of memory a segment."""
    try:
        name = fingerprint(job)
        part = read_part(job.out, name)
        if part is not None:
            return Outcome(job.number, job.source, len(job.entries), part, found=True)
        segments, rejected = read(job)
        return Outcome(job.number, job.source, len(job.entries), write_part(job.out, name, segments, rejected))
    except (PrepareError, StoreError) as error:
        return Outcome(job.number, job.source, len(job.entries), None, error=str(error))


def fingerprint(job: Job) -> str:
    """What a part is made of, in 32 hexadecimal digits: what is known, the files' sizes and times, and how."""
    facts = [PREPARATION, job.source, job.layout, asdict(job.cutting), str(job.folder)]
    if job.layout == HDF5:
        facts.append(_stamp(job.folder))  # its mapping
    digest = hashlib.sha256(json.dumps(facts).encode())
    files = _stamp(job.folder / RECORDS) if job.layout == "ptbxl-normalised" else None
    for entry in job.entries:
        digest.update(json.dumps([asdict(entry), files or _stamps(job, entry)]).encode())
    return digest.hexdigest()[:32]


def read(job: Job) -> tuple[list[Segment], dict[str, str]]:
    """The segments of a job's records, and why each of the others has none."""
    segments: list[Segment] = []
    rejected: dict[str, str] = {}
    with contextlib.ExitStack() as open_files:
        cuts = _cuts(job, open_files)
        for k, entry in enumerate(job.entries):
            try:
                known = _known(entry, job)
                segments += [Segment(**known, **piece) for piece in cuts(k, entry)]
            except RecordingError as error:
                rejected[entry.record] = str(error)
            except OSError as error:
                rejected[entry.record] = f"cannot be read: {error.strerror or type(error).__name__}"
    return segments, rejected


def _cuts(job: Job, open_files: contextlib.ExitStack) -> Callable[[int, Entry], list[dict[str, Any]]]:
    """How the samples of the k-th entry of a job are had, as fields of segments."""
    if job.layout == "ptbxl-normalised":
        counts = read_rows(job.folder / RECORDS, [entry.row for entry in job.entries])
        return lambda k, _entry: [
            {"counts": counts[k], "leads": bits_of(LEADS), "scale": Z_PER_COUNT, "units": "z"}
        ]

    def pieces(leads: dict[str, Stretch]) -> list[dict[str, Any]]:
        return [piece.as_fields() for piece in cut(leads, job.cutting.segments)]

    if job.layout == HDF5:
        mapping = read_mapping(job.folder)
        files = {
            name: open_files.enter_context(Reading(job.folder.parent / name, mapping))
            for name in sorted({entry.file for entry in job.entries})
        }
        return lambda _k, entry: pieces(files[entry.file].leads(entry.row))
    return lambda _k, entry: pieces(read_leads(_header(job.folder, entry), job.cutting.lead))


def _known(entry: Entry, job: Job) -> dict[str, Any]:
    try:
        statements = None if entry.scp is None else statements_of(entry.scp)
    except (ValueError, TypeError):
        raise RecordingError(f"its scp_codes cannot be read: {entry.scp!r:.60}") from None
    known = {
        "record": entry.record,
        "source": job.source,
        "patient": entry.patient,
        "age": entry.age,
        "sex": entry.sex,
        "fold": entry.fold,
        "statements": statements,
        "label_source": entry.label_source,
    }
    if job.layout in (PTBDB, CHALLENGE):
        said = said_in(job.layout, _header(job.folder, entry))
        known |= {"statements": said.statements, "age": said.age, "sex": said.sex}
    return known


def _header(folder: Path, entry: Entry) -> Path:
    return folder / f"{entry.file}.hea"


def _stamps(job: Job, entry: Entry) -> list[tuple[int, int] | None]:
    if job.layout == HDF5:
        return [_stamp(job.folder.parent / entry.file)]
    header = _header(job.folder, entry)
    return [_stamp(header), _stamp(header.with_suffix(".dat")) or _stamp(header.with_suffix(".mat"))]


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
