"""The frames of some entries side by side, and what can be refused by looking at a frame alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.inference.windows.log import Id
from services.inference.windows.names import Names
from services.inference.windows.ring import Millivolts
from services.inference.windows.rules import MAX_AHEAD_US, MAX_SESSION_S, Integers, Rules
from shared.frames import HEADER, Frames, Headers, Samples

# Merging stops here: enough to make the cost of a step negligible, little enough to stay in cache.
_MOST_FRAMES = 4096
_BYTES = np.dtype((np.void, HEADER.itemsize))


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """Equally long frames of one entry of a shard: its number in the shard's log, and its id."""

    frames: Frames
    names: Names
    number: int
    entry: Id


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """n frames, each shard's in log order, one array a field; ``samples`` is padded to the longest (n × width).

    ``rows`` are the patients' (-1: not known when the batch was made), ``runs`` what it was made of.
    """

    runs: tuple[Run, ...]
    rows: Integers
    seat: Integers
    session: npt.NDArray[np.uint64]
    start_us: Integers
    first: Integers
    count: Integers
    rate_mhz: Integers
    lead: npt.NDArray[np.uint8]
    scale: npt.NDArray[np.float32]
    samples: Samples
    entry: Integers
    log_ms: Integers
    headers: Headers

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Batch":
        """Put runs side by side; one alone is not copied."""
        headers = runs[0].frames.headers
        if len(runs) > 1:  # all fields at once: of few frames each array operation costs more than its work
            # As plain bytes: NumPy compares the fields of each pair of structured arrays, at 10 µs a pair.
            headers = np.concatenate([run.frames.headers.view(_BYTES) for run in runs]).view(HEADER)
        each = np.array([(r.names.seat, r.frames.count, r.number, r.entry[0]) for r in runs], np.int64)
        seat, count, entry, log_ms = np.repeat(each.T, [len(run.frames) for run in runs], axis=1)
        return cls(
            runs=tuple(runs),
            rows=np.concatenate([run.names.find(run.frames.headers) for run in runs]),
            seat=seat,
            session=headers["session"].astype(np.uint64),
            start_us=headers["session_start_us"].astype(np.int64),
            first=headers["first"].astype(np.int64),
            count=count,
            rate_mhz=headers["rate_mhz"].astype(np.int64),
            lead=headers["lead"].astype(np.uint8),
            scale=headers["uv_per_lsb"].astype(np.float32) * np.float32(1e-3),
            samples=_side_by_side([run.frames.samples for run in runs]),
            entry=entry,
            log_ms=log_ms,
            headers=headers,
        )

    def __len__(self) -> int:
        return len(self.rows)

    def header(self, frames: Integers) -> Headers:
        """The headers of some frames."""
        return self.headers[frames]

    def millivolts(self, frames: Integers, begin: int, end: int) -> Millivolts:
        """Columns ``begin`` to ``end`` of some frames in millivolts, as `Frames.millivolts` has them."""
        if len(frames) == len(self):  # all of them, in order: no copy needed
            counts, scale = self.samples[:, begin:end], self.scale
        else:
            counts, scale = self.samples[frames, begin:end], self.scale[frames]
        millivolts: Millivolts = counts * scale[:, None]
        return millivolts

    def wrong(self, rules: Rules) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Why some frames are refused whatever is known of their patients, and which."""
        yield "wrong_lead", self.lead != rules.lead
        yield "future_start", self.start_us - self.log_ms * 1000 > MAX_AHEAD_US
        yield "index", (self.first + self.count) * 1000 > self.rate_mhz * MAX_SESSION_S


def merged(runs: Iterable[Run]) -> Iterator[Batch]:
    """Batches of consecutive runs whose frames are of similar length, so that padding never doubles them."""
    group: list[Run] = []
    frames = shortest = longest = 0
    for run in runs:
        count = run.frames.count
        low, high = (min(shortest, count), max(longest, count)) if group else (count, count)
        if group and (high > 2 * low or frames + len(run.frames) > _MOST_FRAMES):
            yield Batch.of(group)
            group, frames, low, high = [], 0, count, count
        group.append(run)
        frames, shortest, longest = frames + len(run.frames), low, high
    if group:
        yield Batch.of(group)


def _side_by_side(samples: Sequence[Samples]) -> Samples:
    if len(samples) == 1:
        return samples[0]
    width = max(s.shape[1] for s in samples)
    if all(s.shape[1] == width for s in samples):
        return np.concatenate(samples)
    joined = np.zeros((sum(len(s) for s in samples), width), np.int16)
    done = 0
    for s in samples:
        joined[done : done + len(s), : s.shape[1]] = s
        done += len(s)
    return joined
