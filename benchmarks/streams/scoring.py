"""Streams cut into windows, judged by the quality gate and scored, in the monitor's own order: without Redis."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.streams.stream import Floats, Stream
from services.inference.alarms.tuning import Replay
from shared.labels import SCORE_NAMES
from shared.quality import assess, clipped_share
from shared.signal import WINDOW_SECONDS, resample
from shared.signal.resample import device_samples

BATCH = 64
_UNTIL_THE_END_S = 1e9


@dataclass(frozen=True, eq=False, slots=True)
class ScoredStream:
    """The windows of a stream: when each ended, its ten probabilities (NaN where refused), whether it counts."""

    patient: str
    kind: str
    onset_s: float | None
    end_s: npt.NDArray[np.float64]
    scores: Floats
    assessable: npt.NDArray[np.bool_]

    @property
    def sick(self) -> npt.NDArray[np.bool_]:
        """Which windows lie wholly within the infarct."""
        if self.onset_s is None:
            return np.zeros(len(self.end_s), np.bool_)
        return np.asarray(self.end_s - WINDOW_SECONDS >= self.onset_s, np.bool_)


def scored(
    streams: Iterable[Stream], engine: Callable[[Floats], Floats], *, stride_s: float
) -> Iterator[ScoredStream]:
    """Score streams one after the other; costs what the gate and the engine cost, some 0.3 ms a window."""
    for stream in streams:
        received, end_s = cut(stream, stride_s)
        windows = resample(received, stream.rate_mhz)
        good = assess(windows, clipped=clipped_share(received)).accept
        scores = np.full((len(windows), len(SCORE_NAMES)), np.nan, np.float32)
        asked = np.flatnonzero(good)
        for start in range(0, len(asked), BATCH):
            some = asked[start : start + BATCH]
            scores[some] = engine(np.ascontiguousarray(windows[some]))
        yield ScoredStream(stream.patient, stream.kind, stream.onset_s, end_s, scores, good)


def cut(stream: Stream, stride_s: float) -> tuple[Floats, npt.NDArray[np.float64]]:
    """The windows of a stream at its own rate, and when each ends: window k begins at floor(k · stride · rate)."""
    size, hertz = device_samples(stream.rate_mhz), stream.rate_mhz / 1000
    count = max(0, int((len(stream.millivolts) - size) / (stride_s * hertz)) + 1)
    first = np.floor(np.arange(count) * stride_s * hertz).astype(np.int64)
    first = first[first + size <= len(stream.millivolts)]
    windows = np.lib.stride_tricks.sliding_window_view(stream.millivolts, size)[first]
    return np.ascontiguousarray(windows), (first + size) / hertz


def replay_of(streams: Sequence[ScoredStream]) -> Replay:
    """What the alarm rules are played on. An infarct lasts from its onset on."""
    return Replay.of(
        [stream.patient for stream in streams for _ in stream.end_s],
        np.concatenate([stream.end_s for stream in streams]),
        np.concatenate([stream.scores for stream in streams]),
        np.concatenate([stream.assessable for stream in streams]),
        [(s.patient, s.onset_s, _UNTIL_THE_END_S) for s in streams if s.onset_s is not None],
    )
