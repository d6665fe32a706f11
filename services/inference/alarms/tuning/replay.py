"""A scored replay: windows of some patients with their probabilities, and when each really had an infarction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from services.inference.alarms.evidence import Scored
from shared.errors import SelfmisError
from shared.frames import FrameError, patient_bytes
from shared.labels import SCORE_NAMES
from shared.quality import Reason


class ReplayError(SelfmisError):
    """Scored windows that cannot be replayed."""


@dataclass(frozen=True, slots=True)
class Episode:
    """An infarction that is there from ``start_us`` to ``stop_us``; times as the windows have them."""

    patient: bytes
    start_us: int
    stop_us: int


@dataclass(frozen=True, eq=False, slots=True)
class Replay:
    """``steps``: the first window of every patient, then the second of every patient that has one, and so on.

    ``watched_us``: how much time each window of each step adds to what was watched. Build it with `of`.
    """

    steps: tuple[Scored, ...]
    watched_us: tuple[npt.NDArray[np.int64], ...]
    episodes: tuple[Episode, ...]

    @classmethod
    def of(
        cls,
        patient: Sequence[str],
        time_s: npt.NDArray[np.float64],
        scores: npt.NDArray[np.float32],
        assessable: npt.NDArray[np.bool_],
        episodes: Iterable[tuple[str, float, float]] = (),
    ) -> Self:
        """One row a window: whose, when it ended, ten probabilities (of `SCORE_NAMES`), and whether they count.

        Rows of one patient must be in the order of time; those of different patients may be mixed. Episodes are
        (patient, start, stop) in the same seconds. What does not fit is a `ReplayError`.
        """
        n = len(patient)
        if not n or time_s.shape != (n,) or assessable.shape != (n,) or scores.shape != (n, len(SCORE_NAMES)):
            raise ReplayError(
                f"a replay needs a time, {len(SCORE_NAMES)} probabilities and a flag for each window"
            )
        sound = np.isfinite(time_s) & (np.abs(time_s) < 1e10)
        if not sound.all():
            raise ReplayError(f"window {int(np.argmin(sound))}: its time is no number of seconds")
        likely = ((scores >= 0) & (scores <= 1)).all(axis=1) | ~assessable
        if not likely.all():
            raise ReplayError(f"window {int(np.argmin(likely))}: probabilities must be from 0 to 1")
        try:
            known = {name: patient_bytes(name) for name in dict.fromkeys(patient)}
        except FrameError as error:
            raise ReplayError(f"a patient of the replay: {error}") from None
        end_us = np.round(time_s * 1e6).astype(np.int64)
        number, since_us = _places(patient, end_us)
        window_us = 10_000_000
        watched_us = np.where(since_us < 0, window_us, np.minimum(since_us, window_us))
        windows = Scored(
            np.array([known[name] for name in patient], "S32"),
            np.ones(n, np.uint64),
            number,
            end_us,
            np.zeros(n, bool),
            assessable,
            np.where(assessable, 0, Reason.DISAGREEMENT).astype(np.uint16),
            np.where(assessable, 1, 0).astype(np.float32),
            np.asarray(scores, np.float32),
        )
        order = np.argsort(number, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
        return cls(
            tuple(windows[part] for part in parts),
            tuple(watched_us[part] for part in parts),
            tuple(_episode(known, *episode) for episode in episodes),
        )

    @property
    def patients(self) -> int:
        """How many there are."""
        return len(self.steps[0])


def _places(
    patient: Sequence[str], end_us: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each window's number within its patient, and the time since that patient's last one (−1: the first)."""
    counts: dict[str, int] = {}
    last: dict[str, int] = {}
    number, since = np.empty(len(patient), np.int64), np.empty(len(patient), np.int64)
    for i, (name, end) in enumerate(zip(patient, end_us.tolist(), strict=True)):
        number[i] = counts.get(name, 0)
        counts[name] = counts.get(name, 0) + 1
        since[i] = end - last[name] if name in last else -1
        if name in last and since[i] <= 0:
            raise ReplayError(f"window {i}: not later than the one before it of the same patient")
        last[name] = end
    return number, since


def _episode(known: dict[str, bytes], patient: str, start_s: float, stop_s: float) -> Episode:
    if patient not in known:
        raise ReplayError("an episode is of a patient without windows")
    if not -1e10 < start_s < stop_s:
        raise ReplayError(f"an episode from {start_s} s to {stop_s} s: it must stop after it starts")
    stop_us = round(min(stop_s, 1e10) * 1e6)
    return Episode(known[patient], round(start_s * 1e6), stop_us)
