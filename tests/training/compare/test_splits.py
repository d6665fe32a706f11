"""Folds that train, choose and test."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.compare.arm import CompareError
from training.compare.splits import Folds, rotations


@given(count=st.integers(4, 12), data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_rotation_tests_every_fold_once_and_never_one_it_has_seen(count: int, data: st.DataObject) -> None:
    times = data.draw(st.integers(3, count))
    splits = rotations(range(1, count + 1), times)
    assert sorted(fold for split in splits for fold in split.test) == list(range(1, count + 1))
    for split in splits:
        assert {*split.train, *split.validate, *split.test} == set(range(1, count + 1))


def test_a_fold_that_trains_cannot_test() -> None:
    with pytest.raises(CompareError, match="fold 2 is in two of train, validate and test"):
        Folds((1, 2), (3,), (2,))


@pytest.mark.parametrize("times", [1, 5])
def test_folds_cannot_be_rotated_once_or_more_often_than_there_are(times: int) -> None:
    with pytest.raises(CompareError, match="2 to 4 times"):
        rotations((1, 2, 3, 4), times)


def test_a_rotation_that_leaves_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(CompareError, match="leave none to train on"):
        rotations((1, 2), 2)
