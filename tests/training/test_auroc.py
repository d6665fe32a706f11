import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.auroc import auroc

pairs = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30)


@settings(max_examples=50, deadline=None)
@given(pairs)
def test_it_is_how_often_a_positive_scores_higher_ties_half(rows: list[tuple[bool, int]]) -> None:
    positives, negatives = ([score for label, score in rows if label is kind] for kind in (True, False))
    found = auroc([label for label, _ in rows], [score for _, score in rows])
    if positives and negatives:
        won = np.mean([(p > n) + (p == n) / 2 for p in positives for n in negatives])
        assert found == pytest.approx(float(won))
    else:
        assert math.isnan(found)
