"""A share of the labelled patients, stratified: what is learnt when few labels were paid for."""

import numpy as np
import numpy.typing as npt

from training.probe.logistic import ProbeError


def labelled_share(
    patients: npt.NDArray[np.int64], labels: npt.NDArray[np.floating], share: float, *, seed: int
) -> npt.NDArray[np.int64]:
    """The positions of the records of about ``share`` of the patients, ascending.

    A patient belongs to the stratum of their rarest finding (or of none), and each stratum gives its share, at
    least one patient. With one seed smaller shares lie inside larger ones. ``share`` is in (0, 1]; refuses others.
    """
    if not 0 < share <= 1:
        raise ProbeError(f"a share of the labels is above 0 and at most 1, not {share:g}")
    people, first, which = np.unique(patients, return_index=True, return_inverse=True)
    # In the order of the records, not of the numbers that patients happen to have.
    order = np.argsort(first)
    place = np.empty(len(people), np.int64)
    place[order] = np.arange(len(people))
    which = place[which]
    has = np.zeros((len(people), labels.shape[1]), np.bool_)
    np.logical_or.at(has, which, labels > 0)
    count = has.sum(axis=0)
    stratum = np.where(has.any(axis=1), np.where(has, count, len(people) + 1).argmin(axis=1), labels.shape[1])
    drawn = np.random.default_rng(seed).permutation(len(people))
    taken = np.zeros(len(people), np.bool_)
    for number in np.unique(stratum):
        members = drawn[stratum[drawn] == number]
        taken[members[: max(1, round(share * len(members)))]] = True
    return np.flatnonzero(taken[which]).astype(np.int64)
