"""What the tests of training an encoder share: a small store, a plan over it, and teachers."""

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.encoder import HeadConfig, build, new_head
from shared.frames import LEADS
from shared.labels import SCORE_NAMES
from training import runs
from training.methods import methods
from training.pretrain.plan import Plan
from training.runs import EncoderRecord
from training.store import Segment, Source, bits_of, finish, write_part

RECORDS = 72
MakePlan = Callable[..., Plan]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """72 records in folds 1–9, two a patient; every second one an IMI with a slower, larger wave.

    The first record lacks labels, the second one has lead I alone.
    """
    folder = tmp_path_factory.mktemp("store")
    chance = np.random.default_rng(0)
    time = np.arange(1000) / 100
    segments = []
    for i in range(RECORDS):
        ill = i % 2
        waves = np.sin(2 * np.pi * (1.0 + 0.4 * (1 - ill)) * time + chance.uniform(0, 6, (12, 1)))
        counts = (500 + 300 * ill) * waves**3 + chance.normal(0, 80, (12, 1000))
        segments.append(
            Segment(
                record=str(i),
                source="test",
                counts=counts.astype(np.int16),
                leads=bits_of(("I",) if i == 1 else LEADS),
                patient=str(i // 2),
                fold=i // 2 % 9 + 1,
                statements=None if i == 0 else {"IMI": 100.0, "SR": 0.0} if ill else {"NORM": 80.0},
            )
        )
    part = write_part(folder, "0" * 16, segments, {})
    source = Source("test", "plain", len(segments), 0)
    finish(folder, [part], [source], created=datetime(2026, 1, 1, tzinfo=UTC), code="test")
    return folder


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a twelve-lead teacher with a head (which never learnt anything, but that is its own business)."""
    folder = tmp_path_factory.mktemp("teacher")
    record = EncoderRecord(method="upper", leads=LEADS, seed=0, label_free=False)
    runs.write_encoder(folder, build("small", leads=12, seed=5), record)
    runs.write_head(folder, new_head(192, HeadConfig(), seed=5), SCORE_NAMES)
    return folder


@contextmanager
def _no_file_grows() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.fixture
def full_disk() -> Callable[[], AbstractContextManager[None]]:
    """Within it no file can grow beyond a page: the kernel refuses, as it does when a disk is full.

    To be left before the test ends: pytest's own report may go to a file, too.
    """
    return _no_file_grows


@pytest.fixture
def plan(store: Path, teacher: Path) -> MakePlan:
    """A plan of two epochs of eight steps; `joint`, the method with everything in it, unless changed."""

    def make(**changes: Any) -> Plan:
        values: dict[str, Any] = {"method": "joint", "store": store, "epochs": 2, "batch": 8, "seed": 1, **changes}
        if any(method.name == values["method"] and method.needs.teacher for method in methods()):
            values.setdefault("teacher", teacher)
        return Plan(**values)

    return make
