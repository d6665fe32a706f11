"""What every peer does, whatever moves its data: windows to scores to alarms to results in Redis.

A peer reads the frames of the shards' streams and appends its results to one stream: per batch one entry with a
row for each window and the alerts raised. So what came of each window, when, and how often, can be read.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from services.inference.alarms import Alert
from services.inference.engine import Engine, Scored, open_engine, score
from services.inference.windows import WINDOW, Block, Cut, Outcome
from shared.artefact import load
from shared.frames import MAX_PATIENT_BYTES
from shared.settings import Settings

RESULTS = "peers:results"
READY = "peers:ready"
WINDOWS_FIELD, ALERTS_FIELD, BATCHES_FIELD = b"windows", b"alerts", b"batches"
RESULT = np.dtype(
    [
        ("patient", f"S{MAX_PATIENT_BYTES}"),
        ("session", "<u8"),
        ("window", "<i8"),
        ("end_us", "<i8"),
        ("assessed", "u1"),
        ("any_mi", "<f4"),
    ]
)
Results = npt.NDArray[np.void]
Scorer = Callable[[Sequence[Cut]], tuple[list[Scored], float]]
"""Cuts to scores, and into how many calls of the model they went."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a peer's process must know. ``workers``: how many processes share the work."""

    url: str
    model: str
    settings: dict[str, Any]
    workers: int

    @classmethod
    def of(cls, url: str, model: Path, settings: Settings, workers: int) -> Self:
        """The job on a Redis."""
        return cls(url, str(model), settings.model_dump(mode="json"), workers)

    @classmethod
    def read(cls, file: str) -> Self:
        """Mirror image of `write`."""
        return cls(**json.loads(Path(file).read_text(encoding="utf-8")))

    def write(self, file: Path) -> str:
        """Into a file that a process of the peer is told to read; its name."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return str(file)

    def rules(self) -> Settings:
        """The settings."""
        return Settings.model_validate(self.settings)

    def engine(self) -> Engine:
        """The model, opened as a replica of ours opens it."""
        return open_engine(load(Path(self.model)), self.rules().engine)

    def share(self, number: int) -> list[int]:
        """The shards of one worker where shards are divided for good."""
        return list(range(number, self.rules().stream.shards, self.workers))


def local_scorer(engine: Engine, max_missing: float) -> Scorer:
    """All windows of all cuts in one batch through the engine in this process."""

    def scored(cuts: Sequence[Cut]) -> tuple[list[Scored], float]:
        windows = sum(len(cut.windows) for cut in cuts)
        return score(cuts, engine, max_missing=max_missing), float(windows > 0)

    return scored


def window_row(
    patient: bytes,
    session: int,
    start_us: int,
    window: int,
    rate_mhz: int,
    stride_us: int,
    missing: int,
    most: int,
) -> tuple[Any, ...]:
    """A row of `WINDOW` of a single window, for peers that cut windows themselves. ``most``: may be missing."""
    outcome = Outcome.COMPLETE if not missing else Outcome.GAPPED if missing <= most else Outcome.UNASSESSABLE
    begun_us = window * stride_us
    first = begun_us * rate_mhz // 10**9
    end_us = start_us + begun_us + 10_000_000
    return (patient, session, start_us, window, 1, first, rate_mhz, int(outcome), missing, end_us, 0, 0)


def cut_of(rows: Sequence[tuple[Any, ...]], millivolts: Sequence[npt.NDArray[np.float32]]) -> Cut:
    """A cut of such rows with the samples of each."""
    windows = np.array(list(rows), WINDOW)
    blocks = []
    whole = windows["outcome"] != Outcome.UNASSESSABLE
    for rate in np.unique(windows["rate_mhz"][whole]).tolist():
        index = np.flatnonzero(whole & (windows["rate_mhz"] == rate))
        blocks.append(Block(rate, index, np.stack([millivolts[i] for i in index.tolist()])))
    return Cut(windows, tuple(blocks))


def results(cut: Cut, scored: Scored) -> Results:
    """A row for each window."""
    found = np.zeros(len(cut.windows), RESULT)
    for name in ("patient", "session", "window", "end_us"):
        found[name] = cut.windows[name]
    found["assessed"] = scored.assessed
    found["any_mi"] = scored.probabilities[:, -1]
    return found


def fields(rows: Sequence[bytes], alerts: Iterable[Alert], batches: float) -> dict[Any, Any]:
    """An entry of the stream of results. ``rows``: bytes of `results`; ``batches``: calls of the model."""
    said = [alert.to_dict() for alert in alerts]
    return {
        WINDOWS_FIELD: b"".join(rows),
        ALERTS_FIELD: json.dumps(said, separators=(",", ":")).encode(),
        BATCHES_FIELD: repr(batches),
    }


@dataclass(frozen=True, eq=False, slots=True)
class Read:
    """The whole stream of results. ``at_us``: when Redis took each row (to a millisecond)."""

    rows: Results
    at_us: npt.NDArray[np.int64]
    alerts: tuple[str, ...]
    batches: float

    @classmethod
    def of(cls, client: Any, after: str = "-") -> Self:
        """All entries from ``after`` on (an id, `(` for without it)."""
        rows, times, alerts, batches = [np.zeros(0, RESULT)], [np.zeros(0, np.int64)], [], 0.0
        for entry_id, found in client.xrange(RESULTS, min=after):
            part = np.frombuffer(found[WINDOWS_FIELD], RESULT)
            rows.append(part)
            times.append(np.full(len(part), int(entry_id.split(b"-")[0]) * 1000, np.int64))
            alerts += [alert["id"] for alert in json.loads(found[ALERTS_FIELD])]
            batches += float(found[BATCHES_FIELD])
        return cls(np.concatenate(rows), np.concatenate(times), tuple(alerts), batches)
