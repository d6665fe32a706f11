"""What the tests of training share: one real Ray cluster, a small store, and a tiny run on it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from shared.encoder.families.net1d import FAMILY, Net1DConfig
from shared.frames import LEADS
from shared.labels import MI_CODES
from training import runs
from training.cluster import prepare_environment
from training.probe.command import main as probe
from training.store import Segment, Source, bits_of, finish, write_part

TINY = Net1DConfig(stem_width=8, stem_kernel=9, widths=(8, 16), depths=(1, 1), kernel=5, group_width=4)
FOLDS = 10


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A local Ray cluster of two CPUs for the tests of a module, after which this process is free for another."""
    prepare_environment()
    import ray

    ray.init(address="local", num_cpus=2, object_store_memory=128 << 20, include_dashboard=False)
    yield
    ray.shutdown()


def tiny_encoder(folder: Path, *, leads: tuple[str, ...] = ("I",), seed: int = 3) -> Path:
    """A run folder with an untrained tiny encoder."""
    config = replace(TINY, leads=len(leads))
    record = runs.EncoderRecord(method="random", leads=leads, seed=seed, label_free=True)
    runs.write_config(folder, {"plan": {"method": "random", "folds": [1, 2], "validate": [3], "seed": seed}})
    runs.write_encoder(folder, FAMILY.create(config, seed=seed), record)
    runs.finish(folder, {})
    return folder


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 400 records in folds 1–10, two a patient; infarcts beat slower, each type has its own shape.

    The last record has lead II alone, and the one before it no labels.
    """
    folder = tmp_path_factory.mktemp("cohort")
    chance = np.random.default_rng(0)
    time = np.arange(1000) / 100
    segments = []
    for i in range(400):
        patient = i // 2
        ill = patient % 3 == 0
        code = MI_CODES[(patient // 3) % 3] if ill else "NORM"
        power = 3 + 2 * MI_CODES.index(code) if ill else 1
        rate = (1.0 if ill else 1.4) + chance.uniform(-0.15, 0.15)
        waves = np.sin(2 * np.pi * rate * time + chance.uniform(0, 6, (12, 1))) ** power
        segments.append(
            Segment(
                record=str(i),
                source="cohort",
                counts=(600 * waves + chance.normal(0, 200, (12, 1000))).astype(np.int16),
                leads=bits_of(("II",) if i == 399 else LEADS),
                patient=str(patient),
                fold=patient % FOLDS + 1,
                statements=None if i == 398 else {code: 100.0, "SR": 0.0},
                label_source="simulated",
            )
        )
    part = write_part(folder, "0" * 16, segments, {})
    finish(
        folder,
        [part],
        [Source("cohort", "wfdb", len(segments), 0)],
        created=datetime(2026, 1, 1, tzinfo=UTC),
        code="test",
    )
    return folder


@pytest.fixture(scope="session")
def encoder_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of an untrained tiny encoder."""
    return tiny_encoder(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="session")
def probed(tmp_path_factory: pytest.TempPathFactory, cohort: Path, encoder_run: Path) -> Path:
    """Its probe on folds 1–7, decided on fold 8."""
    out = tmp_path_factory.mktemp("runs") / "probed"
    assert (
        probe([str(encoder_run), "--store", str(cohort), "--out", str(out), "--folds", "1-7", "--validate", "8"])
        == 0
    )
    return out
