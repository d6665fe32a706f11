"""A run folder as a network of the ten scores, and what it has seen: what evaluation and export start from."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from shared.encoder import Head, HeadConfig
from shared.labels import SCORE_NAMES
from shared.network import Classifier
from training.methods import find
from training.pretrain.dataset import read_windows
from training.runs import CONFIG, RunError, TrainedEncoder, TrainedHead, load_encoder, load_head, read_config
from training.store import Store

Floats = npt.NDArray[np.float32]

BATCH = 256


@dataclass(frozen=True)
class TrainedRun:
    """A run whose network gives the ten scores. Get one from `load_run`."""

    folder: Path
    trained: TrainedEncoder
    classifier: Classifier
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def leads(self) -> tuple[str, ...]:
        """What the encoder reads."""
        return self.trained.record.leads

    @cached_property
    def sha256(self) -> str:
        """Names the weights of encoder and head."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.classifier.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def seeds(self) -> str:
        """The seed of this run and of the encoder it started from, such as ``0/3``."""
        steps = [self.config]
        while isinstance(before := steps[-1].get("encoder_config"), Mapping) and before:
            steps.append(before)
        return "/".join(str(plan_of(step).get("seed", "?")) for step in steps)


def load_run(folder: str | Path) -> TrainedRun:
    """The network of a run, in `eval` mode on the processor. Refuses one without a head for the ten scores."""
    folder = Path(folder)
    trained = load_encoder(folder)
    head = load_head(folder)
    return TrainedRun(
        folder, trained, Classifier(trained.encoder, ten_scores(head, folder)).eval(), read_config(folder) or {}
    )


def ten_scores(trained: TrainedHead, folder: Path) -> Head:
    """The head with the outputs of `SCORE_NAMES` alone, in their order; a head may know more statements."""
    if missing := [name for name in SCORE_NAMES if name not in trained.outputs]:
        raise RunError(f"run {folder}: its head does not give {missing[0]}; probe its encoder instead")
    if trained.outputs == SCORE_NAMES:
        return trained.head
    wanted = [trained.outputs.index(name) for name in SCORE_NAMES]
    old = trained.head.config
    config = HeadConfig(kind=old.kind, outputs=len(SCORE_NAMES), hidden=old.hidden, dropout=old.dropout)
    first = next(module for module in trained.head.modules() if isinstance(module, nn.Linear))
    head = Head(first.in_features, config)
    state = dict(trained.head.state_dict())
    last = list(state)[-2:]  # weight and bias of the last layer
    state |= {name: state[name][wanted] for name in last}
    head.load_state_dict(state)
    return head.eval()


def plan_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a run's `config.json` that decided its result."""
    plan = config.get("plan", config)
    return plan if isinstance(plan, Mapping) else {}


def seen_folds(config: Mapping[str, Any]) -> frozenset[int]:
    """Every fold that this run, the encoder it started from or its teacher was trained or tuned on."""
    return _folds(config, "folds", "validate")


def trained_folds(config: Mapping[str, Any]) -> frozenset[int]:
    """Every fold that this run, the encoder it started from or its teacher learnt its weights from."""
    return _folds(config, "folds")


def _folds(config: Mapping[str, Any], *names: str) -> frozenset[int]:
    plans = [plan for each in lineage(config) if learns(plan := plan_of(each))]
    return frozenset(int(fold) for plan in plans for name in names for fold in plan.get(name) or ())


def learns(plan: Mapping[str, Any]) -> bool:
    """Whether what this plan describes learnt from records at all; an untrained encoder has seen none."""
    method = plan.get("method")
    return method is None or find(str(method)).needs.training


def lineage(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """This configuration and those of the runs it stands on; each once.

    A student carries its teacher's configuration. One that an earlier version trained only names the folder; it is
    refused where that is gone, since what the teacher has seen is then not known.
    """
    yield config
    before = config.get("encoder_config")
    if isinstance(before, Mapping):
        yield from lineage(before)
    teacher, carried = plan_of(config).get("teacher"), config.get("teacher_config")
    if not isinstance(teacher, str):
        return
    if not isinstance(carried, Mapping):
        carried = read_config(Path(teacher))
    if carried is None:
        raise RunError(
            f"teacher {teacher}: no {CONFIG} there, so what it learnt from is not known: put the run folder back"
        )
    yield from lineage(carried)


def windows_of(store: Store, rows: npt.NDArray[np.int64], leads: tuple[str, ...]) -> Iterator[torch.Tensor]:
    """Pre-processed windows of the rows (≤ `BATCH` × leads × samples), batch after batch."""
    for start in range(0, len(rows), BATCH):
        yield read_windows(store, rows[start : start + BATCH], leads)


def applied(network: nn.Module, batches: Iterator[torch.Tensor], *, device: str = "cpu") -> Iterator[Floats]:
    """What ``network`` (left in `eval` mode, on ``device``) makes of each batch, float32."""
    network.eval().to(device)
    with torch.inference_mode():
        for batch in batches:
            yield network(batch.to(device)).float().cpu().numpy()


def device_of(name: str) -> str:
    """``cuda`` or ``cpu`` for ``auto``; refuses a GPU that is not there."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise RunError("no GPU that torch can use is here: leave --device away, or say cpu")
    return ("cuda" if there else "cpu") if name == "auto" else name
