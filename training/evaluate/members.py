"""Which model is tested on which folds: of several models, seeds stand side by side and folds are pooled.

A model is never tested on a fold it was trained or tuned on. Models with the same seeds must share the folds among
themselves (cross-validation: their out-of-fold predictions are pooled); models with other seeds repeat the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from training.evaluate.data import EvaluationError
from training.evaluate.models import Model


@dataclass(frozen=True, eq=False)
class Member:
    """A model and the folds that it is tested on."""

    model: Model
    folds: tuple[int, ...]


def assign(models: Sequence[Model], folds: Sequence[int], *, unseen: bool) -> list[list[Member]]:
    """For each replicate its members, which together test each of ``folds`` once.

    ``unseen``: the recordings are not those the models learnt from, whatever their fold numbers say.
    Refuses folds that no model of a replicate may be tested on, and folds that two may be.
    """
    replicates: dict[str, list[Model]] = {}
    for model in models:
        replicates.setdefault(model.replicate, []).append(model)
    return [_shared(name, members, folds, unseen) for name, members in replicates.items()]


def _shared(name: str, models: Sequence[Model], folds: Sequence[int], unseen: bool) -> list[Member]:
    members = [
        Member(model, tuple(fold for fold in folds if unseen or fold not in model.seen)) for model in models
    ]
    for fold in folds:
        by = [member.model.name for member in members if fold in member.folds]
        if not by:
            who = f"{models[0].name} was" if len(models) == 1 else "all models with these seeds were"
            raise EvaluationError(
                f"{who} trained or tuned on fold {fold}: test on others (--folds), or say --unseen if these are"
                " other recordings"
            )
        if len(by) > 1:
            raise EvaluationError(
                f"{by[0]} and {by[1]} have the same seeds ({name}) and would both be tested on fold {fold}:"
                " leave one out, or keep folds apart in training"
            )
    return [member for member in members if member.folds]
