"""The rows of a store that a plan trains and validates on, read batch by batch.

Windows are pre-processed as they are read: it costs a hundredth of a training step, and memory stays flat whatever
the size of the store.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shared.frames import LEADS
from shared.labels import SCORE_NAMES
from shared.signal import PREPROCESSING_VERSION, WINDOW_SAMPLES, preprocess
from training.pretrain.plan import Plan, PlanError
from training.probe.subsets import labelled_share
from training.store import Store

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Dataset:
    """What a plan needs of a store. Make one with `open_dataset`, which refuses an empty selection."""

    store: Store
    plan: Plan
    train: Rows
    validation: Rows
    outputs: tuple[str, ...]

    def windows(self, rows: Rows) -> Tensor:
        """What the encoder reads (n × leads × samples)."""
        return read_windows(self.store, rows, self.plan.leads)

    def context(self, rows: Rows) -> Tensor:
        """All twelve leads of the rows."""
        return read_windows(self.store, rows, LEADS)

    def labels(self, rows: Rows) -> Floats:
        """The columns of `outputs`, 0 or 1."""
        return self._labels[rows]

    def patients(self, rows: Rows) -> Rows:
        """A number for each row's patient."""
        return self.store.patients[rows]

    def fingerprint(self) -> dict[str, object]:
        """What was trained and validated on, for `config.json`."""
        return {
            "store": store_fingerprint(self.store),
            "preprocessing_version": PREPROCESSING_VERSION,
            "train_rows": len(self.train),
            "validation_rows": len(self.validation),
            "rows": hashlib.sha256(self.train.tobytes() + b"/" + self.validation.tobytes()).hexdigest()[:16],
            "outputs": list(self.outputs),
        }

    @cached_property
    def _labels(self) -> Floats:
        extra = self.outputs[len(SCORE_NAMES) :]
        labels = self.store.labels()
        return np.concatenate([labels, self.store.statements(extra)], axis=1) if extra else labels


def open_dataset(plan: Plan) -> Dataset:
    """Open the store and select; a lead or fold that no row has is one line that says so."""
    store = Store(plan.store)
    train, validation = (
        _select(store, plan, folds) if folds else _none() for folds in (plan.folds, plan.validate)
    )
    for name, rows, folds in (("train", train, plan.folds), ("validate", validation, plan.validate)):
        if folds and len(rows) < 2:
            raise PlanError(f"{plan.store}: nothing to {name} on: {_why(store, plan, folds)}")
    if plan.labels < 1:
        train = train[labelled_share(store.patients[train], store.labels(train), plan.labels, seed=plan.seed)]
    outputs: tuple[str, ...] = SCORE_NAMES if plan.recipe().needs.labels else ()
    if plan.statements is not None:
        counts = store.statement_counts(train)
        common = sorted(code for code, count in counts.items() if count >= plan.statements)
        outputs += tuple(code for code in common if code not in SCORE_NAMES)
    return Dataset(store, plan, train, validation, outputs)


def read_windows(store: Store, rows: Rows, leads: tuple[str, ...]) -> Tensor:
    """Rows of a store as encoders want them (n × leads × samples), pre-processed lead by lead."""
    signals = store.signals(rows, leads=leads)
    windows = preprocess(signals.reshape(-1, WINDOW_SAMPLES)).reshape(signals.shape)
    return torch.from_numpy(windows)


def store_fingerprint(store: Store) -> str:
    """Changes with anything in the store: its parts are named for what they were made of."""
    return hashlib.sha256(json.dumps(store.manifest["parts"]).encode()).hexdigest()[:16]


def needed_leads(plan: Plan) -> tuple[str, ...]:
    """The leads a row must have to be trained on."""
    needs = plan.needs
    return LEADS if needs.all_leads or needs.teacher or needs.context else (plan.lead,)


def _select(store: Store, plan: Plan, folds: tuple[int, ...]) -> Rows:
    return store.select(
        folds=folds,
        sources=plan.sources or None,
        labelled=True if plan.recipe().needs.labels else None,
        leads=needed_leads(plan),
    )


def _why(store: Store, plan: Plan, folds: tuple[int, ...]) -> str:
    leads = needed_leads(plan)
    listed = ", ".join(map(str, folds))
    there = store.select(folds=folds, sources=plan.sources or None)
    if not len(there):
        known = ", ".join(str(fold) for fold in np.unique(store.folds) if fold)
        return f"no record is in folds {listed}; it has {known or 'no folds at all'}"
    if not len(store.select(folds=folds, sources=plan.sources or None, leads=leads)):
        what = f"lead {leads[0]}" if len(leads) == 1 else "all twelve leads"
        return f"no record in folds {listed} has {what}"
    return f"too few records in folds {listed} have labels"


def _none() -> Rows:
    return np.empty(0, np.int64)
