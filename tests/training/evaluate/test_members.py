"""Which model is tested on which folds."""

from typing import Any

import numpy as np
import pytest

from shared.encoder import Encoder
from training.evaluate.data import EvaluationError
from training.evaluate.members import assign
from training.evaluate.models import Floats, Model


class Constant(Model):
    """A model that scores everything alike."""

    def __init__(self, name: str, seen: set[int], replicate: str = "0") -> None:
        self.name, self.leads, self.thresholds = name, ("I",), np.full(10, 0.5)
        self._seen, self.replicate = frozenset(seen), replicate

    @property
    def seen(self) -> frozenset[int]:
        return self._seen

    def score(self, windows_mv: Floats) -> Floats:
        return np.full((len(windows_mv), 10), 0.5, np.float32)

    def encoder(self) -> Encoder:
        raise NotImplementedError

    def described(self) -> dict[str, Any]:
        return {}


def test_one_model_is_tested_on_the_folds_asked_for() -> None:
    ((member,),) = assign([Constant("a", {1, 2})], (9, 10), unseen=False)
    assert member.folds == (9, 10)


def test_a_fold_that_was_seen_is_refused_unless_the_recordings_are_others() -> None:
    model = Constant("a", {1, 9})
    with pytest.raises(EvaluationError, match="a was trained or tuned on fold 9"):
        assign([model], (9,), unseen=False)
    assert assign([model], (9,), unseen=True)[0][0].folds == (9,)


def test_models_of_one_seed_share_the_folds_of_a_cross_validation() -> None:
    models = [Constant("a", {2, 3}), Constant("b", {1, 3}), Constant("c", {1, 2})]
    (members,) = assign(models, (1, 2, 3), unseen=False)
    assert [(member.model.name, member.folds) for member in members] == [("a", (1,)), ("b", (2,)), ("c", (3,))]


def test_two_models_of_one_seed_for_one_fold_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"a and b have the same seeds \(0\)"):
        assign([Constant("a", {1}), Constant("b", {2})], (3,), unseen=False)


def test_seeds_stand_side_by_side() -> None:
    replicates = assign([Constant(name, {1}, name) for name in "abc"], (9, 10), unseen=False)
    assert [len(members) for members in replicates] == [1, 1, 1]


def test_every_seed_must_be_tested_on_every_fold() -> None:
    with pytest.raises(EvaluationError, match="fold 2"):
        assign([Constant("a", set(), "1"), Constant("b", {2}, "2")], (1, 2), unseen=False)
