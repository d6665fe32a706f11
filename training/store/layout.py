"""What a store looks like on disk: a folder with a manifest and parts of some thousand segments each.

::

    manifest.json              format, rate, leads, counts, sources, and the parts in order; written last
    part-FINGERPRINT.npy       int16 counts, (n, 12, 1000), little-endian, memory-mappable
    part-FINGERPRINT.parquet   one row a segment (`SCHEMA`), in the same order

A part is named for what it was made of, so a part that is there is a part that is done, and a store that is made
anew beside its old parts changes from one to the other with the manifest alone: readers never see half of it.
Lead order is `shared.frames.LEADS`; a lead that a recording lacks is zeros, with its bit of ``leads`` clear.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.errors import SelfmisError
from shared.frames import LEADS
from shared.labels import SCORE_NAMES, label_row

FORMAT = 1
RATE_HZ = 100
SAMPLES = 1000
MANIFEST = "manifest.json"
UNITS = ("mv", "z")

Counts = npt.NDArray[np.int16]


class StoreError(SelfmisError):
    """A store that cannot be written, opened, or asked for what it does not hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Ten seconds of one recording and what is known about it.

    ``counts`` (12 × 1000) times ``scale`` are millivolts (units ``mv``) or, for data that survives only so,
    z-scores (``z``). ``patient`` None: a patient of its own. ``statements`` None: nothing is known; an empty
    mapping means that the reader found no statement. ``fold`` None: in no fold.
    """

    record: str
    source: str
    counts: Counts
    leads: int
    scale: float = 0.001
    units: Literal["mv", "z"] = "mv"
    start_s: float = 0.0
    patient: str | None = None
    age: float | None = None
    sex: int | None = None
    fold: int | None = None
    statements: Mapping[str, float] | None = None
    label_source: str | None = None

    def __post_init__(self) -> None:
        if self.counts.shape != (len(LEADS), SAMPLES) or self.counts.dtype != np.int16:
            raise StoreError(
                f"record {self.record}: counts are {self.counts.dtype} {self.counts.shape}, "
                f"not int16 ({len(LEADS)}, {SAMPLES})"
            )
        if not 0 < self.leads < 1 << len(LEADS):
            raise StoreError(f"record {self.record}: lead mask {self.leads:#x} names no lead, or an unknown one")


def bits_of(leads: Iterable[str]) -> int:
    """The mask of these leads; refuses a name that is not in `LEADS`."""
    mask = 0
    for lead in leads:
        if lead not in LEADS:
            raise StoreError(f"lead {lead!r} is not one of {', '.join(LEADS)}")
        mask |= 1 << LEADS.index(lead)
    return mask


def leads_of(mask: int) -> tuple[str, ...]:
    """The leads of a mask, in order."""
    return tuple(lead for i, lead in enumerate(LEADS) if mask >> i & 1)


@lru_cache(maxsize=1)
def schema() -> Any:
    """The columns of a part's table. The ten labels are null where nothing is known."""
    return pa.schema(
        [
            ("record", pa.string()),
            ("source", pa.string()),
            ("patient", pa.string()),
            ("age", pa.float32()),
            ("sex", pa.int8()),
            ("fold", pa.int16()),
            ("units", pa.string()),
            ("scale", pa.float32()),
            ("leads", pa.int16()),
            ("start_s", pa.float32()),
            ("statements", pa.map_(pa.string(), pa.float32())),
            ("label_source", pa.string()),
            *((name, pa.int8()) for name in SCORE_NAMES),
        ]
    )


def as_table(segments: Sequence[Segment]) -> Any:
    """The table of these segments."""
    labels = [None if s.statements is None else label_row(s.statements).astype(int).tolist() for s in segments]
    columns: dict[str, list[object]] = {
        name: [getattr(s, name) for s in segments]
        for name in ("record", "source", "patient", "age", "sex", "fold", "units", "scale", "leads", "start_s")
    }
    columns["statements"] = [None if s.statements is None else list(s.statements.items()) for s in segments]
    columns["label_source"] = [s.label_source for s in segments]
    for i, name in enumerate(SCORE_NAMES):
        columns[name] = [None if row is None else row[i] for row in labels]
    return pa.table(columns, schema=schema())
