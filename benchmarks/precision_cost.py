"""What bf16 costs a model: what `selfmis model precision` was asked to measure, measured and written down."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import present
from services.inference.engine import Engine, open_engine
from services.inference.engine.engine import MOST_AUROC_LOST
from shared.artefact import Model, load, shipped
from shared.artefact.card import flat
from shared.errors import SelfmisError
from shared.labels import MI_CODES
from shared.sections import EngineSettings, WindowSettings
from training.evaluate.data import opened
from training.evaluate.figures import SIX
from training.export.facts import identity
from training.folds import parse_folds
from training.metrics import auroc
from training.probe.selection import labelled_rows

Floats = npt.NDArray[np.float32]

FORMAT = 1
BATCH = 256


def answer(chosen: argparse.Namespace) -> None:
    """Measure as the arguments say, show it, and write it where it is wanted."""
    model = load(chosen.model or shipped(WindowSettings().lead))
    folds = parse_folds(chosen.folds)
    with opened(chosen.data, folds) as tested:
        rows = labelled_rows(tested.store, folds, (model.manifest.lead,))
        windows = np.ascontiguousarray(tested.store.signals(rows, leads=(model.manifest.lead,))[:, 0])
        labels = np.asarray(tested.store.labels(rows), np.float64)
    found = cost(model, windows, labels)
    figures = {
        "format": FORMAT,
        "model": identity(model.manifest),
        "data": tested.name,
        "folds": list(folds),
        "bf16": found,
    }
    title = f"{model.manifest.name} in bf16, folds {chosen.folds}; at most {MOST_AUROC_LOST} may be lost"
    present(title, dict(flat(found)), None)
    if chosen.out is not None:
        try:
            chosen.out.mkdir(parents=True, exist_ok=True)
            (chosen.out / "precision.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise SelfmisError(f"cannot write to {chosen.out}: {error.strerror}") from None


def cost(model: Model, windows: Floats, labels: npt.NDArray[np.float64]) -> dict[str, Any]:
    """The figures of bf16 beside those of fp32, both as the engine computes them.

    ``windows`` (n × 1000, mV) and ``labels`` (n × 10, 1 or 0). Refuses records without infarcts or without others.
    """
    if not 0 < labels[:, -1].sum() < len(labels):
        raise SelfmisError("there is nothing to measure: these folds lack records with, or without, infarcts")
    scores = {hint: _scores(_engine(model, hint), windows) for hint in ("fp32", "bf16")}
    figures: dict[str, Any] = {"n": len(windows), "positives": int(labels[:, -1].sum())}
    lost = []
    for name, columns in (("any_mi", [len(MI_CODES)]), ("macro6", [MI_CODES.index(code) for code in SIX])):
        areas = {hint: _mean_auroc(of, labels, columns) for hint, of in scores.items()}
        if not np.isfinite(areas["fp32"]):
            raise SelfmisError(f"{name} cannot be measured: these folds lack records of each")
        figures[name] = areas
        lost.append(areas["fp32"] - areas["bf16"])
    moved = np.abs(scores["bf16"] - scores["fp32"])[:, -1]
    return {
        "auroc_lost": max(lost),
        **figures,
        "any_mi_moved": {"median": float(np.median(moved)), "most": float(moved.max())},
    }


def _engine(model: Model, hint: str) -> Engine:
    allowed = model.manifest.model_copy(update={"metrics": {"bf16": {"auroc_lost": 0}}})
    settings = EngineSettings.model_validate({"runtime": "openvino", "precision": hint})
    # To be measured it must be allowed; that is all that is changed of the model.
    return open_engine(Model(model.folder, allowed), settings)


def _scores(engine: Engine, windows: Floats) -> Floats:
    return np.concatenate([engine(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)])


def _mean_auroc(scores: Floats, labels: npt.NDArray[np.float64], columns: Sequence[int]) -> float:
    areas = [float(auroc(scores[:, i].astype(np.float64), labels[:, i])) for i in columns]
    defined = [area for area in areas if np.isfinite(area)]
    return float(np.mean(defined)) if defined else float("nan")
