"""Which run this is: what decides its result, so that nothing of another one is ever taken for its own.

The same description stands in `config.json`, which says whose a run folder is, and as a hash in each checkpoint,
which may be kept elsewhere. A place (`Place`) is no part of it: a run may be resumed at another.
"""

import dataclasses
import hashlib
import json
from typing import Any

from training import runs
from training.pretrain.dataset import Dataset
from training.pretrain.plan import Plan
from training.runs import TrainedEncoder


def described(plan: Plan, data: Dataset, teacher: TrainedEncoder | None) -> dict[str, Any]:
    """The run as it stands in `config.json`; ``teacher`` is the plan's, loaded, if it has one."""
    taught_by = (
        None
        if plan.teacher is None or teacher is None
        else dataclasses.asdict(runs.teacher_record(plan.teacher, teacher))
    )
    return runs.as_json({"plan": plan.to_json(), "data": data.fingerprint(), "teacher": taught_by})


def identity(plan: Plan, data: Dataset) -> str:
    """The SHA-256 of `described`; costs the reading of the teacher's weights, if the plan has one."""
    teacher = None if plan.teacher is None else runs.load_encoder(plan.teacher)
    said = json.dumps(described(plan, data, teacher), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
