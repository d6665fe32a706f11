"""Run by `test_workers.py` in each of two processes: a batch's gradients and a whole plan, as one of a group."""

import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.distributed as dist

from training.methods import Batch, Chance, find
from training.pretrain.dataset import Dataset, open_dataset
from training.pretrain.embeddings import Embeddings, ensure
from training.pretrain.loop import build_trained, train
from training.pretrain.order import share_of
from training.pretrain.plan import Plan
from training.pretrain.world import Group, World
from training.runs import load_encoder

CPU = torch.device("cpu")
ROWS = 8
CASES = (
    ("joint",),
    ("cmsc",),  # its negatives learn as well, and all workers must hear from their gradients
    ("contrastive", "views=both", "same_patient=positive"),
    ("contrastive", "wearable=0.5"),
    ("mae",),
    ("lead-masking",),
    ("generative",),
    ("distil", "virtual=0.3", "blank=0.3", "crop=0.7"),
    ("supervised", "any_lead=yes"),
    ("selfmis", "loss=infonce"),
    ("selfmis", "stop_gradient=no", "own_lead=no"),
)
"""Methods and options whose gradients two workers must find as one does."""
NORMS_APART = (("joint",), ("contrastive", "views=both", "same_patient=positive"))
"""Those that are asked again with batch norms that take half the rows each."""


def case_of(plan: Plan, case: tuple[str, ...]) -> Plan:
    """The plan for another method."""
    return replace(
        plan, method=case[0], options=case[1:], teacher=plan.teacher if find(case[0]).needs.teacher else None
    )


def gradients(plan: Plan, data: Dataset, teacher: Embeddings | None, world: World) -> dict[str, torch.Tensor]:
    """The gradients and the terms of one batch."""
    trained = build_trained(plan, data.outputs, teacher.spread(data.train) if teacher else None)
    model = world.wrap(trained, ROWS, plan.norm_records)
    rows = data.train[:ROWS]
    share = share_of(ROWS, world.rank, world.size, plan.norm_records or 1)
    batch = Batch(
        windows=data.windows(rows[share]),
        rows=ROWS,
        first=share.start,
        chance=Chance.of(torch.from_numpy(rows[share]), plan.seed, 0),
        context=data.context(rows[share]) if plan.needs.context else None,
        labels=torch.from_numpy(data.labels(rows[share])) if data.outputs else None,
        teacher=torch.from_numpy(teacher[rows]) if teacher else None,
        patients=torch.from_numpy(data.patients(rows)),
        whole=partial(world.whole, first=share.start, rows=ROWS),
    )
    loss, terms = model(batch)
    world.backward(loss)
    found = {f"gradient.{name}": p.grad for name, p in trained.named_parameters() if p.grad is not None}
    found |= {f"term.{name}": world.sum(term) for name, term in terms.items()}
    return {name: tensor.clone() for name, tensor in found.items()}


def everything(plan: Plan, world: World, cache: Path) -> dict[str, torch.Tensor]:
    """Gradients of a batch and the last state of a run, as tensors by name."""
    data = open_dataset(plan)
    assert plan.teacher is not None
    teacher = ensure(cache, load_encoder(plan.teacher), data.store, world)
    found = {"teacher.rows": torch.from_numpy(teacher[data.train])}
    apart = replace(plan, norm_records=ROWS // 2, ema=0.9)
    for kind, of_kind, cases in (("", plan, CASES), ("apart-", apart, NORMS_APART)):
        state = safetensors.torch.load(train(of_kind, data, world, teacher=teacher))
        found |= {f"{kind}{name}": tensor for name, tensor in state.items()}
        for case in cases:
            other = case_of(of_kind, case)
            of_case = gradients(other, open_dataset(other), teacher if other.needs.teacher else None, world)
            found |= {f"{kind}{' '.join(case)}-{name}": tensor for name, tensor in of_case.items()}
    return found


def main(values: dict[str, Any]) -> None:
    """As one of two."""
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    plan = Plan(**{**values, "store": Path(values["store"]), "teacher": Path(values["teacher"])})
    with closing(Group(CPU)) as world:
        found = everything(plan, world, folder / "teacher.npy")
    if rank == 0:
        safetensors.torch.save_file(found, folder / "found.safetensors")
    dist.destroy_process_group()


if __name__ == "__main__":
    import json

    main(json.loads(sys.argv[3]))
