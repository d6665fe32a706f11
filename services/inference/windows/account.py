"""What one step is to be told of each shard's frames: facts to count, and headers of refused frames."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from services.inference.windows.batch import Batch
from services.inference.windows.cut import Cut, Outcome
from services.inference.windows.placing import Tally
from services.inference.windows.rules import Integers
from shared.frames import Headers

_SAMPLES = ("samples", "samples_late", "samples_duplicate")


class Account:
    """By seat."""

    def __init__(self, seats: int) -> None:
        self._facts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._refused: defaultdict[int, list[tuple[str, Headers]]] = defaultdict(list)
        self._samples = np.zeros((len(_SAMPLES), seats), np.int64)

    def came(self, batch: Batch) -> None:
        """All frames of a batch."""
        for run in batch.runs:
            self._facts[run.names.seat]["frames"] += len(run.frames)

    def refuse(self, batch: Batch, reason: str, frames: Integers) -> None:
        """Some of them are not used."""
        seats = batch.seat[frames]
        for seat in np.unique(seats).tolist():
            own = frames[seats == seat]
            self._facts[seat][f"frames_{reason}"] += len(own)
            self._refused[seat].append((reason, batch.header(own)))

    def placed(self, seats: Integers, tally: Tally) -> None:
        """What became of pieces of these seats' patients."""
        for fate, amounts in enumerate((tally.placed, tally.late, tally.duplicate)):
            self._samples[fate] += np.bincount(seats, amounts, self._samples.shape[1]).astype(np.int64)

    def closed(self, cut: Cut, seats: Integers) -> None:
        """The windows that closed."""
        kinds = len(Outcome)
        place = seats * kinds + cut.windows["outcome"]
        counted = np.bincount(place, cut.windows["windows"]).astype(np.int64)
        for at in np.flatnonzero(counted).tolist():
            self._facts[at // kinds][f"windows_{Outcome(at % kinds).name.lower()}"] += int(counted[at])

    def facts(self, seat: int) -> Mapping[str, int]:
        """What to count of a shard."""
        facts: dict[str, int] = self._facts[seat]
        samples = zip(_SAMPLES, self._samples[:, seat].tolist(), strict=True)
        return facts | {name: amount for name, amount in samples if amount}

    def refused(self, seat: int) -> tuple[tuple[str, Headers], ...]:
        """Headers of a shard's refused frames by reason."""
        return tuple(self._refused[seat])
