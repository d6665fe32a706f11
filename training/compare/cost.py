"""What a row costs: minutes of training, and the size and speed of its encoder."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from shared.encoder import Encoder, count_macs, count_parameters
from shared.signal import WINDOW_SAMPLES
from training.compare.grid import Cell
from training.compare.units import DONE, Encoding, Heading
from training.threads import torch_threads

BATCH, REPEATS = 64, 5


def cost_of(root: Path, cells: Sequence[Cell], encoder: Encoder) -> dict[str, Any]:
    """Mean minutes of encoder, teachers and head over the cells; parameters, MACs and windows/s of ``encoder``."""
    runs = {cell.run for cell in cells}
    teachers = {name for cell in cells for name in cell.teachers}
    shape = (encoder.config.leads, WINDOW_SAMPLES)
    revisions = {
        revision
        for under, names in (
            (Encoding.under, runs | teachers),
            (Heading.under, {cell.head for cell in cells}),
        )
        for name in names
        if (revision := _said(root / under / name / DONE).get("revision")) is not None
    }
    return {
        "train_minutes": _minutes([_seconds(root, name) for name in sorted(runs)]),
        "teacher_minutes": _minutes([_seconds(root, name) for name in sorted(teachers)]) if teachers else 0.0,
        "head_minutes": _minutes(
            [_said(root / Heading.under / cell.head / DONE).get("seconds", 0.0) for cell in cells]
        ),
        "parameters": count_parameters(encoder),
        "macs": count_macs(encoder, shape),
        "windows_per_s": round(speed_of(encoder), 1),
        "revisions": sorted(revisions),
    }


def speed_of(encoder: Encoder, clock: Callable[[], float] = time.perf_counter) -> float:
    """Windows a second through an encoder in torch, batches of 64, one thread; the best of five."""
    network = encoder.eval()
    windows = torch.zeros(BATCH, encoder.config.leads, WINDOW_SAMPLES)
    best = 0.0
    with torch_threads(1), torch.inference_mode():
        network(windows)
        for _ in range(REPEATS):
            began = clock()
            network(windows)
            best = max(best, BATCH / max(clock() - began, 1e-9))
    return best


def validated(root: Path, cells: Sequence[Cell]) -> dict[str, float]:
    """What the method itself measured on its validation folds when it ended, averaged over the runs."""
    collected: dict[str, list[float]] = {}
    for name in {cell.run: None for cell in cells}:
        for key, value in (_said(root / Encoding.under / name / "DONE").get("validation") or {}).items():
            if value is not None:
                collected.setdefault(key, []).append(float(value))
    return {key: sum(values) / len(values) for key, values in collected.items()}


def _seconds(root: Path, run: str) -> float:
    return float(_said(root / Encoding.under / run / "DONE").get("train_seconds", 0.0))


def _minutes(seconds: Sequence[float]) -> float:
    return round(sum(seconds) / max(1, len(seconds)) / 60, 3)


def _said(path: Path) -> dict[str, Any]:
    """A small JSON file of a unit; nothing where there is none."""
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
