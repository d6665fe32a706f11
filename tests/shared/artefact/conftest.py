"""One real model folder, exported once from a tiny network, and copies of it to damage."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.artefact import CalibrationRecord, DataSource, Facts
from shared.artefact.manifest import _sealed
from shared.artefact.writing import write
from shared.encoder import HeadConfig, new_head
from shared.encoder.families.net1d import FAMILY, Net1DConfig
from shared.labels import SCORE_NAMES
from shared.network import Classifier

TINY = Net1DConfig(stem_width=8, stem_kernel=4, widths=(8, 16), depths=(1, 1), kernel=4, group_width=4)


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """A tiny network whose norms have seen data."""
    network = Classifier(FAMILY.create(TINY, seed=1), new_head(16, HeadConfig(kind="mlp", hidden=8), seed=2))
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.momentum = 1.0  # one pass sets the statistics; untrained ones would let all scores be the same
    network.train()(torch.randn(64, 1, 1000, generator=torch.Generator().manual_seed(3)))
    return network.eval()


@pytest.fixture(scope="session")
def facts() -> Facts:
    return Facts(
        name="tiny",
        version="1.0",
        lead="I",
        thresholds=dict.fromkeys(SCORE_NAMES, 0.4),
        calibration=CalibrationRecord(
            method="platt",
            slope={name: 1 + i / 10 for i, name in enumerate(SCORE_NAMES)},
            intercept={name: i / 20 for i, name in enumerate(SCORE_NAMES)},
        ),
        metrics={"test": {"auroc": {"IMI": 0.91, "PMI": None}, "records": 2198}},
        data=(DataSource(name="PTB-XL 1.0.3", attribution="Wagner et al. 2020.", licence="CC BY 4.0"),),
        trained_on="PTB-XL folds 1 to 8",
        created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        revision="0123abc",
    )


@pytest.fixture(scope="session")
def golden_mv() -> np.ndarray:
    """Windows of plausible size, with drift and an offset."""
    random = np.random.default_rng(5)
    return (random.normal(size=(4, 1000)).cumsum(axis=1) / 50 + 3).astype(np.float32)


@pytest.fixture(scope="session")
def exported(
    tmp_path_factory: pytest.TempPathFactory, classifier: Classifier, facts: Facts, golden_mv: np.ndarray
) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write(folder, classifier, facts, golden_mv=golden_mv)
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may damage."""
    return Path(shutil.copytree(exported, tmp_path / "model"))


@pytest.fixture
def reseal(folder: Path) -> Callable[..., None]:
    """Change entries of the copy's manifest and seal it again, as a program with other ideas would have."""
    import json

    def change(**entries: Any) -> None:
        body = json.loads((folder / "manifest.json").read_text())
        del body["sha256"]
        (folder / "manifest.json").write_text(_sealed(body | entries))

    return change
