"""Which rows come when, and whose they are: a function of seed, epoch and step, so a position is two numbers."""

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

_ORDER, _DRAWS = 1, 2  # independent streams of chance from one seed


def steps_in_epoch(rows: int, batch: int) -> int:
    """How many whole batches there are; at least one, if need be a smaller one."""
    return max(1, rows // batch)


def epoch_order(rows: int, seed: int, epoch: int) -> Rows:
    """The positions 0…rows − 1 in the order of that epoch."""
    return np.random.default_rng([_ORDER, seed, epoch]).permutation(rows).astype(np.int64)


def batch_of(order: Rows, step: int, batch: int) -> Rows:
    """The positions of one batch; what is left after the last whole one is not used in this epoch."""
    return order[step * batch : (step + 1) * batch]


def share_of(rows: int, rank: int, workers: int, together: int = 1) -> slice:
    """The part of ``rows`` things that one of ``workers`` takes: contiguous, as even as can be.

    ``together`` of them, which divides their number, are never parted.
    """
    lots = rows // together
    return slice(lots * rank // workers * together, lots * (rank + 1) // workers * together)


def draws_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """The seed of all chance within one step of one worker; no generator's state needs to be kept."""
    return int(np.random.SeedSequence([_DRAWS, seed, epoch, step, rank]).generate_state(1, np.uint64)[0] >> 1)
