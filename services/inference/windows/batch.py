"""The frames of some entries side by side, and what can be refused by looking at a frame alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.inference.windows.log import Id
from services.inference.windows.ring import Millivolts
from services.inference.windows.rules import MAX_AHEAD_US, MAX_SESSION_S, Integers, Rules
from shared.frames import Frames, Headers, Samples

# Merging stops here: enough to make the cost of a step negligible, little enough to stay in cache.
_MOST_FRAMES = 4096


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """Equally long frames of one entry: its number in the log, and its id."""

    frames: Frames
    number: int
    entry: Id


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """n frames in log order, one array a field; ``samples`` is padded to the longest frame (n × width)."""

    patient: list[bytes]
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
    headers: tuple[Headers, ...]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Batch":
        """Put runs side by side; one alone is not copied."""
        headers = tuple(run.frames.headers for run in runs)

        def field(name: str) -> npt.NDArray[np.generic]:
            return headers[0][name] if len(headers) == 1 else np.concatenate([h[name] for h in headers])

        def each(values: Iterable[int]) -> Integers:
            return np.repeat(np.array(list(values), np.int64), [len(h) for h in headers])

        return cls(
            patient=[name for h in headers for name in h["patient"].tolist()],
            session=field("session").astype(np.uint64),
            start_us=field("session_start_us").astype(np.int64),
            first=field("first").astype(np.int64),
            count=each(run.frames.count for run in runs),
            rate_mhz=field("rate_mhz").astype(np.int64),
            lead=field("lead").astype(np.uint8),
            scale=field("uv_per_lsb").astype(np.float32) * np.float32(1e-3),
            samples=_side_by_side([run.frames.samples for run in runs]),
            entry=each(run.number for run in runs),
            log_ms=each(run.entry[0] for run in runs),
            headers=headers,
        )

    def __len__(self) -> int:
        return len(self.patient)

    def header(self, frames: Integers) -> Headers:
        """The headers of some frames."""
        return np.concatenate(self.headers)[frames]

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
