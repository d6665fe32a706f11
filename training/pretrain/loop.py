"""The training loop: set up, resume, and then epoch by epoch, from top to bottom.

It is the same for one worker and many, with Ray and without: what differs is in `World`. What it does next is a
function of plan and position alone, so a run that was interrupted ends as if it had not been.
"""

import copy
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shared.encoder import build
from training import runs
from training.methods import Batch, Chance, Setup, Teacher, Trained, Truth
from training.pretrain.dataset import Dataset
from training.pretrain.embeddings import Embeddings
from training.pretrain.identity import identity
from training.pretrain.order import batch_of, draws_seed, epoch_order, share_of, steps_in_epoch
from training.pretrain.plan import Plan, PlanError
from training.pretrain.progress import Progress
from training.pretrain.rate import rate_at
from training.pretrain.state import Position, StateError, Tensors, pack, unpack
from training.pretrain.world import World

_VALIDATION_BATCH = 256
_SHOW_EVERY_S = 2.0


def build_trained(plan: Plan, outputs: tuple[str, ...], teacher: Teacher | None) -> Trained:
    """What the plan trains, fresh, on the processor."""
    encoder = build(plan.encoder, leads=len(plan.leads), seed=plan.seed)
    if teacher is not None and plan.teacher is not None and plan.needs.network:
        network = runs.load_encoder(plan.teacher).encoder
        learnt = runs.load_head(plan.teacher) if runs.has_head(plan.teacher) else None
        head, said = (learnt.head, learnt.outputs) if learnt else (None, ())
        teacher = dataclasses.replace(teacher, encoder=network, head=head, outputs=said)
    setup = Setup(encoder=encoder, outputs=outputs, seed=plan.seed, teacher=teacher, lead=plan.lead)
    trained: Trained = plan.recipe().build(setup, plan.method_options())
    return trained


def train(
    plan: Plan,
    data: Dataset,
    world: World,
    *,
    teacher: Embeddings | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> bytes:
    """Train from where ``world`` was left to the end of the plan; gives the last state, packed.

    Every worker calls it with the same plan. Refuses what another run left there. Costs no memory that grows with
    the store.
    """
    # Set up.
    begun = clock()
    device = world.device
    trained = build_trained(plan, data.outputs, teacher.spread(data.train) if teacher else None).to(device)
    model = world.wrap(trained, min(len(data.train), plan.batch), plan.norm_records)
    optimiser = optimiser_of(trained, plan)
    kept_for_use = averaged(trained) if plan.ema else trained
    steps = steps_in_epoch(len(data.train), plan.batch)
    position, best = Position(), Tensors()
    this_run = identity(plan, data)

    # Resume.
    kept = world.restored()
    if kept is not None:
        state = unpack(kept)
        if state.run != this_run:
            raise StateError(
                f"{world.kept_in()} holds a checkpoint of another run (another plan, store or teacher):"
                " give another --out or --storage, or remove it there"
            )
        state.into_model(trained)
        state.into_optimiser(optimiser)
        if plan.ema:
            state.into_average(kept_for_use)
        position, best = state.position, state.best

    def packed() -> bytes:
        return pack(trained, optimiser, position, best, kept_for_use if plan.ema else None, run=this_run)

    # Train.
    while position.epoch < plan.epochs:
        epoch, first_step = position.epoch, position.step
        sums = torch.zeros(0)
        names: list[str] = list(position.sums)
        started = shown = clock()
        seconds_before = position.seconds
        trained.train()
        for step, batch in _batches(plan, data, world, teacher, epoch, first_step):
            rate = rate_at(epoch * steps + step, steps * plan.epochs, plan)
            for group in optimiser.param_groups:
                group["lr"] = rate
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss, terms = model(batch)
            optimiser.zero_grad()
            world.backward(loss)
            nn.utils.clip_grad_norm_(trained.parameters(), plan.clip)
            optimiser.step()
            if plan.ema:
                follow(kept_for_use, trained, plan.ema, epoch * steps + step)

            terms = {"loss": loss.detach(), **terms}
            names = list(terms)
            of_step = torch.stack([term.double() for term in terms.values()])
            sums = of_step if not len(sums) else sums + of_step
            position.step = step + 1
            if position.step % plan.checkpoint_every == 0 and position.step < steps:
                _add_up(position, names, sums, world)
                sums = torch.zeros(0)
                position.seconds = seconds_before + clock() - started
                world.level(trained, kept_for_use)
                world.keep({"epoch": epoch + 1, "step": position.step}, packed)
            if world.rank == 0 and clock() - shown > _SHOW_EVERY_S:
                shown = clock()
                world.show(
                    _progress(plan, position, steps, shown - started, position.step - first_step, loss, world)
                )

        # The epoch is over: sum up, validate, keep.
        _add_up(position, names, sums, world)
        if not math.isfinite(position.sums["loss"]):
            raise PlanError(
                f"the loss of epoch {epoch + 1} is {position.sums['loss']}: training diverged; lower --lr"
            )
        trained_s = seconds_before + clock() - started
        world.level(trained, kept_for_use)
        scores = validate(kept_for_use, data, world, teacher) if len(data.validation) else {}
        used = min(len(data.train), steps * plan.batch)
        record = {
            "epoch": epoch + 1,
            **{name: total / steps for name, total in position.sums.items()},
            "lr": rate_at((epoch + 1) * steps - 1, steps * plan.epochs, plan),
            "validation": {name: None if math.isnan(value) else value for name, value in scores.items()},
            "records": used,
            "seconds": round(trained_s, 3),
            "records_per_s": round(used / max(trained_s, 1e-9), 1),
            "since_start_s": round(clock() - begun, 3),
            "workers": world.size,
            "exchange": world.exchange.kind,
        }
        position.history.append(record)
        if plan.keep == "best" and _is_best(position, trained.better):
            position.best_epoch = epoch
            best = {name: tensor.detach().cpu().clone() for name, tensor in kept_for_use.state_dict().items()}
        position.epoch, position.step, position.sums, position.seconds = epoch + 1, 0, {}, 0.0
        world.keep(record, packed)
        if world.rank == 0:
            world.show(_epoch_done(plan, record))
    return packed()


def optimiser_of(trained: Trained, plan: Plan) -> torch.optim.Optimizer:
    """AdamW; norms, biases and single numbers are not decayed."""
    parameters = [p for p in trained.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": plan.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=plan.lr, fused=True)


def averaged(trained: Trained) -> Trained:
    """A copy that learns nothing by itself; see `follow`."""
    return copy.deepcopy(trained).requires_grad_(False).eval()


def follow(average: Trained, trained: Trained, forget: float, step: int) -> None:
    """One step of a moving average of all weights and statistics; it begins quickly, so that no start lingers."""
    slow = min(forget, (1 + step) / (10 + step))
    with torch.no_grad():
        for old, new in zip(average.state_dict().values(), trained.state_dict().values(), strict=True):
            if old.is_floating_point():
                old.lerp_(new, 1 - slow)
            else:
                old.copy_(new)


def validate(trained: Trained, data: Dataset, world: World, teacher: Embeddings | None) -> dict[str, float]:
    """The method's scores on the validation rows; every worker predicts a share of them."""
    rows = data.validation
    mine = rows[share_of(len(rows), world.rank, world.size)]
    trained.eval()
    with torch.inference_mode():
        parts = []
        for start in range(0, max(1, len(mine)), _VALIDATION_BATCH):  # a share without rows has a width, too
            some = mine[start : start + _VALIDATION_BATCH]
            context = data.context(some).to(world.device) if data.plan.needs.context else None
            parts.append(trained.predict(data.windows(some).to(world.device), context).float())
        predictions = world.gather(torch.cat(parts)).cpu().numpy()
    truth = Truth(data.labels(rows) if data.outputs else None, teacher[rows] if teacher else None)
    return trained.measure(np.ascontiguousarray(predictions), truth)


def _batches(
    plan: Plan, data: Dataset, world: World, teacher: Embeddings | None, epoch: int, first_step: int
) -> Iterator[tuple[int, Batch]]:
    """This worker's shares of the epoch's batches from ``first_step`` on; on a GPU one is read ahead."""
    order = epoch_order(len(data.train), plan.seed, epoch)
    steps = range(first_step, steps_in_epoch(len(data.train), plan.batch))
    needs = plan.needs

    def read(step: int) -> dict[str, Any]:
        rows = data.train[batch_of(order, step, plan.batch)]
        share = share_of(len(rows), world.rank, world.size, plan.norm_records or 1)
        mine = rows[share]
        return {
            "rows": len(rows),
            "first": share.start,
            "windows": data.windows(mine),
            "labels": torch.from_numpy(data.labels(mine)) if data.outputs else None,
            "context": data.context(mine) if needs.context else None,
            "teacher": torch.from_numpy(teacher[rows]) if teacher else None,
            "patients": torch.from_numpy(data.patients(rows)),
            "own": torch.from_numpy(mine),
        }

    def batch(step: int, parts: dict[str, Any]) -> Batch:
        torch.manual_seed(draws_seed(plan.seed, epoch, step, world.rank))  # of dropout and the like
        moved: dict[str, Any] = {k: v.to(world.device) if isinstance(v, Tensor) else v for k, v in parts.items()}
        chance = Chance.of(moved.pop("own"), plan.seed, epoch)
        whole = functools.partial(world.whole, first=parts["first"], rows=parts["rows"])
        return Batch(chance=chance, whole=whole, **moved)

    if world.device.type == "cpu":  # the processors have better things to do than to read ahead
        for step in steps:
            yield step, batch(step, read(step))
        return
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, steps.start)
        for step in steps:
            parts = ahead.result()
            if step + 1 < steps.stop:
                ahead = reader.submit(read, step + 1)
            yield step, batch(step, parts)


def _add_up(position: Position, names: list[str], sums: Tensor, world: World) -> None:
    if len(sums):
        totals = world.sum(sums).tolist()
        position.sums = {n: position.sums.get(n, 0.0) + t for n, t in zip(names, totals, strict=True)}


def _is_best(position: Position, entry: str) -> bool:
    scores = [record["validation"].get(entry) for record in position.history]
    known = [-math.inf if score is None else score for score in scores]
    return known[-1] > max(known[:-1], default=-math.inf)


def _progress(
    plan: Plan, position: Position, steps: int, seconds: float, done: int, loss: Tensor, world: World
) -> Progress:
    each = seconds / max(1, done)
    left = (plan.epochs - position.epoch) * steps - position.step
    return Progress(
        what="epoch",
        epoch=position.epoch + 1,
        epochs=plan.epochs,
        share=position.step / steps,
        loss=float(loss.detach()) * world.size,
        records_per_s=plan.batch / max(each, 1e-9),
        left_s=left * each,
    )


def _epoch_done(plan: Plan, record: dict[str, Any]) -> Progress:
    scores = "  ".join(f"{n} {v:.3f}" for n, v in record["validation"].items() if v is not None and n != "score")
    return Progress(
        what="epoch",
        epoch=record["epoch"],
        epochs=plan.epochs,
        share=1.0,
        loss=record["loss"],
        records_per_s=record["records_per_s"],
        left_s=(plan.epochs - record["epoch"]) * record["seconds"],
        done=True,
        scores=scores,
        record=record,
    )
