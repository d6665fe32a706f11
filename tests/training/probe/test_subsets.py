"""Shares of the labelled patients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.probe.logistic import ProbeError
from training.probe.subsets import labelled_share


@pytest.fixture(scope="module")
def archive() -> tuple[np.ndarray, np.ndarray]:
    """1,200 records of 1,000 patients; one finding in five, one in a hundred, and three in all."""
    random = np.random.default_rng(1)
    patients = np.r_[np.arange(1000), np.arange(200)] * 7 + 13
    labels = np.zeros((1200, 3), np.float32)
    labels[:200, 0] = 1
    labels[300:312, 1] = 1
    labels[400:403, 2] = 1
    order = random.permutation(1200)
    return patients[order], labels[order]


@given(share=st.sampled_from([0.01, 0.1, 0.5, 1.0]), seed=st.integers(0, 5))
def test_patients_come_whole_and_every_finding_is_there(
    archive: tuple[np.ndarray, np.ndarray], share: float, seed: int
) -> None:
    patients, labels = archive
    rows = labelled_share(patients, labels, share, seed=seed)
    inside = np.isin(np.arange(1200), rows)
    assert not set(patients[inside]) & set(patients[~inside])
    assert labels[rows].any(axis=0).all()
    assert len(set(patients[rows].tolist())) == pytest.approx(1000 * share, abs=4)


def test_a_smaller_share_lies_inside_a_larger_one(archive: tuple[np.ndarray, np.ndarray]) -> None:
    one, ten, all_of_it = (set(labelled_share(*archive, share, seed=3).tolist()) for share in (0.01, 0.1, 1.0))
    assert one < ten < all_of_it == set(range(1200))


def test_another_seed_takes_other_patients(archive: tuple[np.ndarray, np.ndarray]) -> None:
    assert set(labelled_share(*archive, 0.1, seed=1).tolist()) != set(
        labelled_share(*archive, 0.1, seed=2).tolist()
    )


def test_shares_keep_their_proportions(archive: tuple[np.ndarray, np.ndarray]) -> None:
    patients, labels = archive
    rows = labelled_share(patients, labels, 0.5, seed=1)
    assert labels[rows, 1].sum() == 6


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_an_impossible_share_is_refused(archive: tuple[np.ndarray, np.ndarray], share: float) -> None:
    with pytest.raises(ProbeError, match="at most 1"):
        labelled_share(*archive, share, seed=1)
