"""What a run leaves behind when it has ended: encoder, head, history, and the word that it is done.

A student of any lead leaves the encoder of its plan's lead, and beside it the whole, of which `training.lead`
makes the run of another lead.
"""

import dataclasses
from pathlib import Path

import numpy as np

from training import runs
from training.methods import Teacher, Trained
from training.methods.one_lead import for_lead
from training.pretrain.dataset import Dataset
from training.pretrain.loop import build_trained
from training.pretrain.plan import Plan
from training.pretrain.state import unpack
from training.runs import EncoderRecord, TrainedEncoder


def write_results(out: Path, plan: Plan, data: Dataset, teacher: TrainedEncoder | None, state: bytes) -> str:
    """Write the run's results from its last state; gives one line about them."""
    kept = unpack(state)
    trained = restored(plan, data.outputs, teacher)
    kept.into_model(trained, final=True)
    encoder = trained.encoder
    record = EncoderRecord(
        method=plan.method,
        leads=plan.leads,
        seed=plan.seed,
        label_free=plan.recipe().label_free and (teacher is None or teacher.record.label_free),
        teacher=None if teacher is None or plan.teacher is None else runs.teacher_record(plan.teacher, teacher),
    )
    history = kept.position.history
    runs.write_history(out, history)
    if plan.needs.one_of_twelve:
        runs.write_encoder(out / runs.ANY_LEAD, encoder, record)
        encoder, record = for_lead(encoder, plan.lead), dataclasses.replace(record, leads=plan.final_leads)
    runs.write_encoder(out, encoder, record)
    if trained.head is not None:
        runs.write_head(out, trained.head, trained.outputs)
    last = history[kept.position.best_epoch if kept.position.best_epoch is not None else -1] if history else {}
    runs.finish(
        out,
        {
            "epochs": len(history),
            "kept_epoch": last.get("epoch"),
            "train_seconds": round(sum(epoch["seconds"] for epoch in history), 3),
            "validation": last.get("validation", {}),
        },
    )
    scores = ", ".join(f"{k} {v:.3f}" for k, v in last.get("validation", {}).items() if v is not None)
    return f"{plan.method} of {len(history)} epochs" + (f"; validation: {scores}" if scores else "")


def restored(plan: Plan, outputs: tuple[str, ...], teacher: TrainedEncoder | None) -> Trained:
    """The plan's module, its weights still to be loaded; with them comes the teacher's spread."""
    spread = None
    if teacher is not None:
        dim = teacher.encoder.dim
        spread = Teacher(np.zeros(dim, np.float32), np.ones(dim, np.float32))
    return build_trained(plan, outputs, spread)
