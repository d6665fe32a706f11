"""Run folders and model folders as one thing: windows in millivolts to the ten probabilities, and thresholds."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from shared import artefact
from shared.artefact.folder import MANIFEST as MODEL_MANIFEST
from shared.artefact.writing import torch_model
from shared.encoder import Encoder
from shared.labels import SCORE_NAMES
from shared.signal import WINDOW_SAMPLES, preprocess
from training.classifier import TrainedRun, load_run, plan_of, seen_folds
from training.decision import DECISION, Decision, probabilities
from training.evaluate.data import EvaluationError
from training.runs import ENCODER
from training.store import Store

Floats: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.int64]
Change: TypeAlias = Callable[[Floats, Rows], Floats]
"""What happens to windows (n × leads × 1000, mV) of these rows before a model sees them."""

BATCH = 256


class Model(ABC):
    """Something that scores windows of certain leads."""

    name: str
    leads: tuple[str, ...]
    thresholds: npt.NDArray[np.float64]
    replicate: str
    """Of one recipe with several seeds: which of them."""

    @property
    def seen(self) -> frozenset[int]:
        """Folds it was trained or tuned on, as far as it says. Refuses a run whose teacher is gone and unknown."""
        return frozenset()

    @abstractmethod
    def score(self, windows_mv: Floats) -> Floats:
        """Windows (n × leads × 1000, millivolts at 100 Hz) to probabilities (n × `SCORE_NAMES`)."""

    @abstractmethod
    def encoder(self) -> Encoder:
        """Its encoder, in `eval` mode on the processor."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """What it is, for `results.json`."""


class RunModel(Model):
    """A run folder with a head, calibrated as its decision says."""

    def __init__(self, run: TrainedRun, decision: Decision, device: str) -> None:
        self._run, self._decision, self._device = run, decision, device
        self.name, self.leads = run.name, run.leads
        self.thresholds = np.array([decision.thresholds[name] for name in SCORE_NAMES])
        self.replicate = run.seeds

    @property
    def run(self) -> TrainedRun:
        """The run."""
        return self._run

    @property
    def seen(self) -> frozenset[int]:
        """See `Model.seen`."""
        return seen_folds(self._run.config) | frozenset(self._decision.folds)

    def score(self, windows_mv: Floats) -> Floats:
        """See `Model.score`."""
        windows = preprocess(windows_mv.reshape(-1, WINDOW_SAMPLES)).reshape(windows_mv.shape)
        network = self._run.classifier.eval().to(self._device)
        with torch.inference_mode():
            logits = network(torch.from_numpy(windows).to(self._device)).float().cpu().numpy()
        return probabilities(logits, self._decision.calibration).astype(np.float32)

    def encoder(self) -> Encoder:
        """See `Model.encoder`."""
        encoder: Encoder = self._run.trained.encoder.eval().cpu()
        return encoder

    def described(self) -> dict[str, Any]:
        """See `Model.described`."""
        record = self._run.trained.record
        return {
            "kind": "run",
            "name": self.name,
            "method": record.method,
            "step": self._run.config.get("step", "pretrain"),
            "leads": list(self.leads),
            "size": self._run.trained.size,
            "label_free": record.label_free,
            "label_share": plan_of(self._run.config).get("share", 1.0),
            "teacher": None if record.teacher is None else record.teacher.title,
            "sha256": self._run.sha256,
            "seeds": self.replicate,
            "calibration": self._decision.calibration.method,
            "decided_on": {"folds": list(self._decision.folds), "records": self._decision.records},
            "thresholds": self._decision.thresholds,
            "threshold_rule": self._decision.rule,
        }


class ArtefactModel(Model):
    """A model folder, scored by its own graph in ONNX Runtime, as serving does."""

    def __init__(self, model: artefact.Model, *, threads: int) -> None:
        self._model = model
        self._session = model.session(threads)
        manifest = model.manifest
        self.name, self.leads = f"{manifest.name} {manifest.version}", (manifest.lead,)
        self.thresholds = np.array([manifest.thresholds[name] for name in SCORE_NAMES])
        self.replicate = manifest.sha256[:12]

    def score(self, windows_mv: Floats) -> Floats:
        """See `Model.score`."""
        return self._session(np.ascontiguousarray(windows_mv[:, 0]))

    def encoder(self) -> Encoder:
        """See `Model.encoder`."""
        return torch_model(self._model).classifier.encoder

    def described(self) -> dict[str, Any]:
        """See `Model.described`."""
        manifest = self._model.manifest
        return {
            "kind": "artefact",
            "name": manifest.name,
            "version": manifest.version,
            "sha256": manifest.sha256,
            "leads": list(self.leads),
            "size": manifest.encoder.size,
            "trained_on": manifest.trained_on,
            "revision": manifest.revision,
            "calibration": manifest.calibration.method,
            "thresholds": manifest.thresholds,
            "threshold_rule": "shipped",
        }


def open_model(
    folder: Path, decided: Callable[[TrainedRun], Decision], *, device: str = "cpu", threads: int = 1
) -> Model:
    """A run folder or a model folder, whichever it is; ``decided`` gives a run's calibration and thresholds."""
    if (folder / ENCODER).exists():
        run = load_run(folder)
        return RunModel(run, decided(run), device)
    if (folder / MODEL_MANIFEST).exists():
        return ArtefactModel(artefact.load(folder), threads=threads)
    what = "holds neither a run nor a model" if folder.is_dir() else "is no folder"
    raise EvaluationError(f"model {folder}: {what}")


def is_undecided(folder: Path) -> bool:
    """Whether this is a run whose calibration and thresholds are still to be decided."""
    return (folder / ENCODER).exists() and not (folder / DECISION).exists()


def signals_of(store: Store, rows: Rows, leads: tuple[str, ...], change: Change | None = None) -> Iterator[Floats]:
    """Windows of the rows in millivolts, batch after batch."""
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        windows = store.signals(some, leads=leads)
        yield windows if change is None else change(windows, some)


def scores_of(
    model: Model, store: Store, rows: Rows, *, leads: tuple[str, ...] | None = None, change: Change | None = None
) -> Floats:
    """Probabilities (n × 10) of the rows; ``leads`` are shown to the model in the place of its own."""
    out = np.empty((len(rows), len(SCORE_NAMES)), np.float32)
    for number, windows in enumerate(signals_of(store, rows, leads or model.leads, change)):
        out[number * BATCH : number * BATCH + len(windows)] = model.score(windows)
    if not np.isfinite(out).all():
        raise EvaluationError(f"{model.name} gives probabilities that are no numbers")
    return out
