"""Run by `test_workers.py` in each of two processes: a batch's gradients and a whole plan, as one of a group."""

import sys
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.distributed as dist

from training.methods import Batch
from training.pretrain.dataset import Dataset, open_dataset
from training.pretrain.embeddings import Embeddings, ensure
from training.pretrain.loop import build_trained, train
from training.pretrain.order import share_of
from training.pretrain.plan import Plan
from training.pretrain.world import Group, World
from training.runs import load_encoder

CPU = torch.device("cpu")
ROWS = 8


def gradients(plan: Plan, data: Dataset, teacher: Embeddings | None, world: World) -> dict[str, torch.Tensor]:
    """The gradients and the terms of one batch."""
    trained = build_trained(plan, data.outputs, teacher.spread(data.train) if teacher else None)
    model = world.wrap(trained)
    rows = data.train[:ROWS]
    share = share_of(ROWS, world.rank, world.size)
    batch = Batch(
        windows=data.windows(rows[share]),
        rows=ROWS,
        first=share.start,
        draws=torch.Generator(),
        labels=torch.from_numpy(data.labels(rows[share])) if data.outputs else None,
        teacher=torch.from_numpy(teacher[rows]) if teacher else None,
        patients=torch.from_numpy(data.patients(rows)),
        whole=partial(world.whole, first=share.start, rows=ROWS),
    )
    loss, terms = model(batch)
    (loss * world.size).backward()
    found = {f"gradient.{name}": p.grad for name, p in trained.named_parameters() if p.grad is not None}
    found |= {f"term.{name}": world.sum(term) for name, term in terms.items()}
    return {name: tensor.clone() for name, tensor in found.items()}


def everything(plan: Plan, world: World, cache: Path) -> dict[str, torch.Tensor]:
    """Gradients of a batch and the last state of a run, as tensors by name."""
    data = open_dataset(plan)
    assert plan.teacher is not None
    teacher = ensure(cache, load_encoder(plan.teacher), data.store, world)
    state = safetensors.torch.load(train(plan, data, world, teacher=teacher))
    # A method whose negatives learn as well, from whose gradients all workers must hear.
    contrast = replace(plan, method="cmsc", teacher=None)
    contrasted = gradients(contrast, open_dataset(contrast), None, world)
    return {
        **gradients(plan, data, teacher, world),
        **{f"contrast-{name}": tensor for name, tensor in contrasted.items()},
        **state,
        "teacher.rows": torch.from_numpy(teacher[data.train]),
    }


def main(values: dict[str, Any]) -> None:
    """As one of two."""
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    plan = Plan(**{**values, "store": Path(values["store"]), "teacher": Path(values["teacher"])})
    found = everything(plan, Group(CPU), folder / "teacher.npy")
    if rank == 0:
        safetensors.torch.save_file(found, folder / "found.safetensors")
    dist.destroy_process_group()


if __name__ == "__main__":
    import json

    main(json.loads(sys.argv[3]))
