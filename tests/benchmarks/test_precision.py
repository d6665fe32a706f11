"""What bf16 costs a model: the engine in both precisions, on the same records."""

import numpy as np
import pytest

from benchmarks.precision_cost import cost
from shared.artefact import Model
from shared.errors import SelfmisError


def records(n: int) -> tuple[np.ndarray, np.ndarray]:
    windows = np.random.default_rng(0).normal(0, 0.3, (n, 1000)).astype(np.float32)
    return windows, (np.arange(n)[:, None] % np.arange(2, 12) == 0).astype(np.float64)


def test_the_loss_is_the_greater_of_any_mi_and_of_the_six_types(model: Model) -> None:
    silent = Model(model.folder, model.manifest.model_copy(update={"metrics": {}}))  # it may not run in bf16, yet
    found = cost(silent, *records(60))
    lost = [found[name]["fp32"] - found[name]["bf16"] for name in ("any_mi", "macro6")]
    assert found["auroc_lost"] == max(lost)
    assert found["n"] == 60
    assert 0 < found["any_mi_moved"]["median"] <= found["any_mi_moved"]["most"] < 0.01


def test_records_without_infarcts_are_refused(model: Model) -> None:
    windows, labels = records(20)
    with pytest.raises(SelfmisError, match="lack records with, or without, infarcts"):
        cost(model, windows, np.zeros_like(labels))
