"""A real, tiny model folder: the small encoder with seeded weights, exported as training exports."""

from datetime import UTC, datetime

import numpy as np
import pytest

from services.ingest.synthetic import PatientSpec, case, simulate
from shared.artefact import DataSource, Facts, Model, load
from shared.artefact.writing import write
from shared.encoder import HeadConfig, build, new_head
from shared.labels import SCORE_NAMES
from shared.network import Classifier


def strips(kinds: tuple[str, ...] = ("NORM", "IMI", "AFIB", "AMI", "PVC", "LVH", "STACH", "CLBBB")) -> np.ndarray:
    """Simulated ten-second strips of lead I at 100 Hz, one a kind, millivolts."""
    specs: list[PatientSpec] = [case(kind, 5, i) for i, kind in enumerate(kinds)]
    return np.stack([simulate(spec, 500, 1000) for spec in specs]).astype(np.float32)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Untrained, so its scores mean nothing; everything else about it is real."""
    folder = tmp_path_factory.mktemp("models") / "untrained"
    encoder = build("small", seed=1)
    head = new_head(encoder.dim, HeadConfig(kind="linear", outputs=len(SCORE_NAMES)), seed=2)
    facts = Facts.stated(
        name="untrained",
        version="1",
        lead="I",
        thresholds=dict.fromkeys(SCORE_NAMES, 0.5),
        metrics={"bf16": {"auroc_lost": 0.0}},
        data=(DataSource(name="none", attribution="none", licence="none"),),
        trained_on="nothing",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        revision="test",
    )
    write(folder, Classifier(encoder, head).eval(), facts, golden_mv=strips())
    return load(folder)
