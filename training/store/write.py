"""Writing a store: part by part, each whole or absent, and the manifest at the very end."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow.parquet as pq

from shared.frames import LEADS
from shared.labels import SCORE_NAMES
from training.store.layout import FORMAT, MANIFEST, RATE_HZ, SAMPLES, Segment, StoreError, as_table

_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
_REJECTED = b"selfmis.rejected"
_ROW_BYTES = len(LEADS) * SAMPLES * 2


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is done: how many segments it holds, and which records it could not take, with the reason."""

    fingerprint: str
    segments: int
    rejected: Mapping[str, str]

    @property
    def name(self) -> str:
        """The stem of its two files."""
        return f"part-{self.fingerprint}"


@dataclass(frozen=True, slots=True)
class Source:
    """Where some of a store's segments came from."""

    name: str
    layout: str
    segments: int
    rejected: int
    absent: int = 0
    duplicates: int = 0


def write_part(folder: Path, fingerprint: str, segments: Sequence[Segment], rejected: Mapping[str, str]) -> Part:
    """Write one part. The table is renamed into place last: where it stands, the samples stand too.

    Takes hexadecimal ``fingerprint``s only. A full disk or a folder that cannot be written is one line.
    """
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise StoreError(f"part fingerprint {fingerprint!r} is not hexadecimal")
    part = Part(fingerprint, len(segments), dict(rejected))
    table = as_table(segments).replace_schema_metadata({_REJECTED: json.dumps(part.rejected)})
    with _atomically(folder / f"{part.name}.npy") as file:
        shape = (len(segments), len(LEADS), SAMPLES)
        np.lib.format.write_array_header_1_0(file, {"descr": "<i2", "fortran_order": False, "shape": shape})
        for segment in segments:
            file.write(segment.counts.astype("<i2", copy=False).tobytes())
    with _atomically(folder / f"{part.name}.parquet") as file:
        pq.write_table(table, file, compression="zstd")
    return part


def read_part(folder: Path, fingerprint: str) -> Part | None:
    """The part with this fingerprint if it is there, whole; else None. Costs one small read."""
    stem = folder / f"part-{fingerprint}"
    try:
        metadata = pq.read_metadata(stem.with_suffix(".parquet"))
        samples = stem.with_suffix(".npy").stat().st_size
    except (OSError, ValueError):  # pyarrow's ArrowInvalid, for a file that is no Parquet, is a ValueError
        return None
    rejected = (metadata.metadata or {}).get(_REJECTED)
    if rejected is None or samples < metadata.num_rows * _ROW_BYTES:
        return None
    return Part(fingerprint, metadata.num_rows, json.loads(rejected))


def finish(
    folder: Path, parts: Sequence[Part], sources: Sequence[Source], *, created: datetime, code: str
) -> dict[str, Any]:
    """Write the manifest that makes ``parts``, in this order, the store; then delete parts it does not name.

    ``created`` must know its time zone; ``code`` is the version of the code that made the store. Gives the
    manifest. Refuses parts without a single segment.
    """
    manifest = {
        "format": FORMAT,
        "rate_hz": RATE_HZ,
        "samples": SAMPLES,
        "leads": list(LEADS),
        "labels": list(SCORE_NAMES),
        "segments": sum(part.segments for part in parts),
        "rejected": sum(len(part.rejected) for part in parts),
        "sources": [asdict(source) for source in sources],
        "created": created.astimezone(UTC).isoformat(timespec="seconds"),
        "code": code,
        "parts": [{"name": part.name, "segments": part.segments} for part in parts],
    }
    if not manifest["segments"]:
        raise StoreError(f"nothing to put into {folder}: no usable recording")
    with _atomically(folder / MANIFEST) as file:
        file.write((json.dumps(manifest, indent=1) + "\n").encode())
    _sweep(folder, {part.name for part in parts})
    return manifest


def _sweep(folder: Path, keep: set[str]) -> None:
    """Delete what earlier or interrupted runs left: parts of no use and unfinished files."""
    for path in folder.iterdir():
        stale = path.name.startswith("part-") and path.suffix in {".npy", ".parquet"} and path.stem not in keep
        if stale or path.name.startswith(".writing-"):
            path.unlink(missing_ok=True)


@contextmanager
def _atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is complete and on disk."""
    unfinished = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        why = error.strerror or type(error).__name__
        raise StoreError(f"cannot write {path}: {why}; what is done is kept, run it again") from None
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
