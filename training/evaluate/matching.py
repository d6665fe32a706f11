"""Retrieval: among all tested records, does an embedding find the twelve-lead embedding of its own record?

A linear map from the model's space into the teacher's is fitted on training records, for every method alike: so
the figure says what the embedding holds, not whether its method happened to learn a map of its own.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.frames import LEADS
from training.classifier import plan_of
from training.evaluate.data import EvaluationError
from training.evaluate.models import RunModel
from training.metrics import own_rank, retrieval_at
from training.metrics.bootstrap import Resampling, percentile_interval
from training.metrics.retrieval import ridge_map
from training.probe.embeddings import FOLDER, Rows, embeddings
from training.probe.selection import labelled_rows
from training.runs import TrainedEncoder
from training.store import Store

AT = (1, 5)


def retrieval(
    model: RunModel, teacher: TrainedEncoder, store: Store, rows: Rows, *, draws: int, device: str
) -> dict[str, Any]:
    """retrieval@1 and @5 with intervals, what chance would give, and how many records it was among.

    Refuses a store that does not hold the records the model was trained on, for the map needs them.
    """
    if len(teacher.record.leads) != len(LEADS):
        raise EvaluationError(f"the teacher reads {' '.join(teacher.record.leads)}, not twelve leads")
    folds = tuple(int(fold) for fold in plan_of(model.run.config).get("folds", ()))
    if not folds:
        raise EvaluationError(f"{model.name} does not say what it was trained on: no map for retrieval can be had")
    everywhere = np.isin(rows, store.select(leads=LEADS))
    tested, training = rows[everywhere], labelled_rows(store, folds, LEADS)
    ranks = ranks_of(
        model.run.trained, teacher, store, training, tested, cache=model.run.folder / FOLDER, device=device
    )
    found: dict[str, Any] = {"n": len(tested), "teacher": teacher.record.method}
    resampling = Resampling(store.patients[tested], draws)
    for k in AT:
        hits = retrieval_at(ranks, k)
        drawn = resampling.apply(lambda weights, hits=hits: weights @ hits / weights.sum(axis=1))  # type: ignore[misc]  # bound at once
        interval = percentile_interval(drawn)
        found[f"at_{k}"] = float(hits.mean())
        found[f"at_{k}_ci"] = None if interval is None else list(interval)
        found[f"at_{k}_chance"] = k / len(tested)
    return found


def ranks_of(
    trained: TrainedEncoder,
    teacher: TrainedEncoder,
    store: Store,
    training: Rows,
    tested: Rows,
    *,
    cache: Path | None,
    teacher_cache: Path | None = None,
    device: str = "cpu",
) -> npt.NDArray[np.int64]:
    """For each tested record how many twelve-lead embeddings are nearer to its own than its record's is.

    All rows must have all twelve leads. The caches keep the embeddings of encoder and teacher; None keeps nothing.
    """
    own = [embeddings(trained, store, part, cache=cache, device=device) for part in (training, tested)]
    whole = [embeddings(teacher, store, part, cache=teacher_cache, device=device) for part in (training, tested)]
    mean, matrix, goal = ridge_map(own[0], whole[0])
    return own_rank((own[1] - mean) @ matrix, whole[1] - goal)
