"""A training run from start to end: refuse what cannot be, train or go on, write the run folder."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from shared.frames import LEADS
from training import runs
from training.cluster import cluster
from training.pretrain.dataset import Dataset, open_dataset
from training.pretrain.embeddings import of_teacher
from training.pretrain.finished import write_results
from training.pretrain.identity import described
from training.pretrain.loop import build_trained, train
from training.pretrain.plan import Place, Plan, PlanError
from training.pretrain.progress import Progress
from training.pretrain.state import Position, pack
from training.pretrain.world import World
from training.revision import revision, versions
from training.threads import torch_threads


def pretrain(plan: Plan, place: Place, out: Path, show: Callable[[Progress], None]) -> str:
    """Do the plan, or what is left of it, and write the run folder ``out``; gives one line about it.

    Refuses, before anything is trained, a store without the records, a teacher of other leads, and an ``out`` that
    holds another run. ``show`` is told how far it is.
    """
    data = open_dataset(plan)
    if plan.batch < place.workers[1]:
        raise PlanError(f"a batch of {plan.batch} is too small for {place.workers[1]} workers")
    if plan.norm_records * place.workers[1] > plan.batch:
        raise PlanError(
            f"a batch of {plan.batch} has no {plan.norm_records} records (norm_records) for each of"
            f" {place.workers[1]} workers"
        )
    if plan.norm_records and len(data.train) < plan.batch:
        raise PlanError(
            f"norm_records needs whole batches: {len(data.train)} records are less than one of {plan.batch}"
        )
    teacher = None if plan.teacher is None else runs.load_encoder(plan.teacher, leads=LEADS)
    this = described(plan, data, teacher)
    if _begun(out, this) and runs.is_done(out):
        return f"{out} is complete; remove it to train again"
    # The teacher's folder may go; what it has seen must stay known. No part of what is compared: a run begun by an
    # earlier version goes on.
    carried = {} if plan.teacher is None else {"teacher_config": runs.read_config(plan.teacher)}
    made = {"place": place.to_json(), "revision": revision(), "versions": versions()}
    runs.write_config(out, {**this, **carried, **made})
    state = _state(plan, place, out, data, _kept(out, show))
    return f"{out}: {write_results(out, plan, data, teacher, state)}"


def _begun(out: Path, this: dict[str, Any]) -> bool:
    """Whether ``out`` holds this very run; another one is refused, by the first thing that differs."""
    there = runs.read_config(out)
    if there is None:
        if out.exists() and any(out.iterdir()):
            raise PlanError(f"{out} is not empty and no run folder: give another --out")
        return False
    for section, values in this.items():
        old = there.get(section)
        if old == values:
            continue
        pairs = ((values or {}), (old if isinstance(old, dict) else {}))
        key = next(k for k in {**pairs[0], **pairs[1]} if pairs[0].get(k) != pairs[1].get(k))
        raise PlanError(
            f"{out} holds another run: its {section}'s {key} is {pairs[1].get(key)!r:.60}, not"
            f" {pairs[0].get(key)!r:.60}; give another --out, or remove it"
        )
    return True


def _state(plan: Plan, place: Place, out: Path, data: Dataset, show: Callable[[Progress], None]) -> bytes:
    if not plan.recipe().needs.training:
        return pack(build_trained(plan, data.outputs, None), None, Position(), {})
    if place.plain:
        return _plain(plan, place, out, data, show)
    # Imported late: Ray takes a second, and refusals should not.
    from training.pretrain.on_ray import fit  # noqa: PLC0415 - slow to import

    name = (
        "checkpoints"
        if place.storage is None
        else f"{out.name}-{hashlib.sha256(str(out).encode()).hexdigest()[:8]}"
    )
    with cluster():
        return fit(plan, place, storage=place.storage or str(out), name=name, show=show)


def _plain(
    plan: Plan,
    place: Place,
    out: Path,
    data: Dataset,
    show: Callable[[Progress], None],
) -> bytes:
    if place.device == "cuda" and not torch.cuda.is_available():
        raise PlanError("this machine has no GPU that torch can use; leave --device away, or say --device cpu")
    cuda = place.device != "cpu" and torch.cuda.is_available()
    folder = out / "checkpoints"
    folder.mkdir(exist_ok=True)
    world = World(torch.device("cuda" if cuda else "cpu"), folder=folder, show=show)
    with torch_threads(place.threads):
        return train(plan, data, world, teacher=of_teacher(plan, place.cache, data, world))


def _kept(out: Path, show: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Shows progress, and writes each epoch's line as it comes: at the end, the history is written as a whole."""

    def shown(progress: Progress) -> None:
        show(progress)
        record = progress.record
        if record is not None:
            before = [epoch for epoch in runs.read_history(out) if epoch["epoch"] < record["epoch"]]
            runs.write_history(out, [*before, record])

    return shown
