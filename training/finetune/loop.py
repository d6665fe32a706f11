"""The loop: binary cross-entropy of the ten scores, the best epoch by validation loss kept, resumed where it was.

Batch norms keep the statistics of pre-training: with one per cent of the labels a batch is too few records to
measure them by. All chance is a function of seed and epoch, so a checkpoint at the end of each epoch is enough.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from shared.network import Classifier
from training.classifier import Floats, applied, windows_of
from training.finetune.plan import FinetuneError, Tuning
from training.pretrain.dataset import read_windows
from training.pretrain.order import batch_of, draws_seed, epoch_order, steps_in_epoch
from training.pretrain.progress import Progress
from training.pretrain.state import Position, State, pack, unpack
from training.probe.selection import Rows
from training.runs import write_file
from training.store import Store

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True, eq=False)
class Task:
    """The records to learn from and those to choose the epoch by."""

    store: Store
    leads: tuple[str, ...]
    train: Rows
    validation: Rows
    seed: int


def finetune(
    classifier: Classifier,
    task: Task,
    tuning: Tuning,
    *,
    folder: Path,
    device: str,
    show: Callable[[Progress], None],
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Position, Floats]:
    """Train ``classifier`` in place; ends with its best epoch's weights. Gives the history and validation logits.

    Epoch 0 is the network as it came: where tuning makes nothing better, that is what is kept. Goes on from the
    checkpoint in ``folder`` if there is one; refuses one of another shape.
    """
    classifier.to(device)
    optimiser = _optimiser(classifier, tuning)
    truth = torch.from_numpy(task.store.labels(task.train))
    steps = steps_in_epoch(len(task.train), tuning.batch)
    state = _resumed(folder / CHECKPOINT)
    if state is None:
        position = Position()
        best = _copied(classifier)
        position.history.append({"epoch": 0, "validation_loss": validation_loss(classifier, task, device)[0]})
    else:
        position, best = state.position, state.best
        state.into_model(classifier)
        if state.optimiser:
            state.into_optimiser(optimiser)

    while position.epoch < tuning.epochs and not _has_ended(position, tuning):
        epoch, began, total = position.epoch, clock(), 0.0
        order = epoch_order(len(task.train), task.seed, epoch)
        torch.manual_seed(draws_seed(task.seed, epoch, 0, 0))  # of dropout
        classifier.eval()  # norms keep their statistics …
        classifier.head.train()  # … and only the head's dropout is at work
        for step in range(steps):
            _set_rates(optimiser, tuning, epoch * steps + step, tuning.epochs * steps)
            chosen = batch_of(order, step, tuning.batch)
            windows = read_windows(task.store, task.train[chosen], task.leads).to(device)
            loss = functional.binary_cross_entropy_with_logits(classifier(windows), truth[chosen].to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(classifier.parameters(), tuning.clip)
            optimiser.step()
            total += float(loss.detach())
        seconds = clock() - began
        held_out, _ = validation_loss(classifier, task, device)
        record = {
            "epoch": epoch + 1,
            "loss": total / steps,
            "validation_loss": held_out,
            "seconds": round(seconds, 3),
        }
        position.history.append(record)
        position.epoch = epoch + 1
        if held_out < min(past["validation_loss"] for past in position.history[:-1]):
            position.best_epoch, best = epoch + 1, _copied(classifier)
        write_file(folder / CHECKPOINT, pack(classifier, optimiser, position, best))
        show(_progress(record, tuning, min(len(task.train), steps * tuning.batch), seconds))

    classifier.load_state_dict(best)
    return position, validation_loss(classifier, task, device)[1]


def validation_loss(classifier: Classifier, task: Task, device: str) -> tuple[float, Floats]:
    """Mean log loss over scores and validation records, and the logits. Refuses weights that have run away."""
    batches = windows_of(task.store, task.validation, task.leads)
    logits = np.concatenate(list(applied(classifier, batches, device=device)))
    wanted = task.store.labels(task.validation)
    loss = float((np.logaddexp(0, logits) - wanted * logits).mean())
    if not math.isfinite(loss):
        raise FinetuneError("the loss is no number any more: lower --lr and --encoder-lr")
    return loss, logits


def _optimiser(classifier: Classifier, tuning: Tuning) -> torch.optim.Optimizer:
    groups = []
    for part, rate in ((classifier.head, tuning.lr), (classifier.encoder, tuning.encoder_lr)):
        parameters = list(part.parameters())
        for decay, chosen in (
            (tuning.weight_decay, [p for p in parameters if p.ndim >= 2]),
            (0.0, [p for p in parameters if p.ndim < 2]),
        ):
            groups.append({"params": chosen, "weight_decay": decay, "lr": rate, "top": rate})
    return torch.optim.AdamW(groups)


def _set_rates(optimiser: torch.optim.Optimizer, tuning: Tuning, step: int, steps: int) -> None:
    """Up in a straight line over the warm-up, then down to 0 along a cosine."""
    warmup = round(tuning.warmup * steps)
    share = (
        (step + 1) / (warmup + 1)
        if step < warmup
        else (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2
    )
    for group in optimiser.param_groups:
        group["lr"] = group["top"] * share


def _has_ended(position: Position, tuning: Tuning) -> bool:
    return position.epoch - (position.best_epoch or 0) >= tuning.patience


def _copied(classifier: Classifier) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in classifier.state_dict().items()}


def _resumed(path: Path) -> State | None:
    try:
        return unpack(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FinetuneError(f"checkpoint {path} cannot be read: {error.strerror}") from None


def _progress(record: dict[str, float], tuning: Tuning, records: int, seconds: float) -> Progress:
    epoch = int(record["epoch"])
    return Progress(
        what="epoch",
        epoch=epoch,
        epochs=tuning.epochs,
        share=1.0,
        loss=record["loss"],
        records_per_s=records / max(seconds, 1e-9),
        left_s=(tuning.epochs - epoch) * seconds,
        done=True,
        scores=f"validation {record['validation_loss']:.4f}",
    )
