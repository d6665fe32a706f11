"""A store small enough to train on many times."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from shared.frames import LEADS
from shared.labels import MI_CODES
from training.store import Segment, Source, bits_of, finish, write_part

RECORDS, FOLDS = 120, 10


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 records of as many patients in folds 1–10; every second one an infarct, slower, of three shapes."""
    folder = tmp_path_factory.mktemp("few")
    chance = np.random.default_rng(0)
    time = np.arange(1000) / 100
    segments = []
    for i in range(RECORDS):
        ill = i // FOLDS % 2 == 0
        code = MI_CODES[i % 3] if ill else "NORM"
        power = 3 + 2 * MI_CODES.index(code) if ill else 1
        rate = (1.0 if ill else 1.3) + chance.uniform(-0.2, 0.2)
        waves = np.sin(2 * np.pi * rate * time + chance.uniform(0, 6, (12, 1))) ** power
        segments.append(
            Segment(
                record=str(i),
                source="few",
                counts=(600 * waves + chance.normal(0, 200, (12, 1000))).astype(np.int16),
                leads=bits_of(LEADS),
                patient=str(i),
                fold=i % FOLDS + 1,
                statements={code: 100.0, "SR": 0.0},
                label_source="simulated",
            )
        )
    part = write_part(folder, "0" * 16, segments, {})
    source = Source("few", "wfdb", RECORDS, 0)
    finish(folder, [part], [source], created=datetime(2026, 1, 1, tzinfo=UTC), code="test")
    return folder
