"""Fixtures that every test may use: the real recordings, one real Redis, servers with any options, a cluster."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest

from shared.redis.connection import Client, connect
from shared.redis.embedded import EmbeddedServer, embedded

if TYPE_CHECKING:
    from shared.artefact import AlarmRules, Model

pytest_plugins = ["tests.real_redis"]
# Ray starts its workers with niceness 15: beside other tests' processes they would get next to nothing, and a test
# of seconds would take minutes. Every cluster that a test starts inherits this, also by another process.
os.environ |= {"RAY_worker_niceness": "0"}
# No verdict on speed: the machine may be busy.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

Floats = npt.NDArray[np.float64]
ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("SELFMIS_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip("real recordings absent: put them in ../shared/data or name them in SELFMIS_TEST_DATA")
    return DATA


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One real Redis for all tests of a run."""
    with embedded(tmp_path_factory.mktemp("redis"), port=0, maxmemory_mb=256) as server:
        yield server


@pytest.fixture
def client(redis_server: EmbeddedServer) -> Iterator[Client]:
    """A client of that Redis, emptied."""
    with connect(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def redis_url(redis_server: EmbeddedServer, client: Client) -> str:
    """The URL of that Redis, emptied."""
    return redis_server.url


@pytest.fixture(scope="session")
def beating() -> Callable[..., Floats]:
    """Millivolts of a lead: P, QRS and T by Gaussians at a slightly varying pace, with wander."""

    def make(seconds: float = 10.0, hertz: float = 100.0, *, pace: float = 0.8, wander: float = 0.1) -> Floats:
        t = np.arange(round(seconds * hertz)) / hertz
        signal = wander * np.sin(2 * np.pi * 0.2 * t)
        at, k = 0.3, 0
        while at < seconds + 1:
            for delay, width, height in (
                (-0.16, 0.02, 0.12),
                (0.0, 0.011, 1.1),
                (0.03, 0.012, -0.2),
                (0.26, 0.05, 0.3),
            ):
                signal = signal + height * np.exp(-0.5 * ((t - at - delay) / width) ** 2)
            at += pace * (1 + 0.03 * np.sin(2.3 * k))
            k += 1
        return signal

    return make


@pytest.fixture
def record(tmp_path: Path, beating: Callable[..., Floats]) -> Callable[..., Path]:
    """Writes a WFDB record into a folder and gives its header file."""
    import wfdb  # takes half a second, and most tests need none

    def write(name: str = "rec", signals: Floats | None = None, folder: str = "", **changes: Any) -> Path:
        made = np.column_stack([beating(), -beating()]) if signals is None else signals
        made = made[:, None] if made.ndim == 1 else made
        n = made.shape[1]
        where = tmp_path / folder
        where.mkdir(parents=True, exist_ok=True)
        fields: dict[str, Any] = {
            "fs": 100,
            "units": ["mV"] * n,
            "sig_name": ["I", "II", "V1", "V2"][:n],
            "fmt": ["16"] * n,
            "adc_gain": [1000.0] * n,
            "baseline": [0] * n,
            "p_signal": made,
        } | changes
        wfdb.wrsamp(name, write_dir=str(where), **fields)
        return where / f"{name}.hea"

    return write


@pytest.fixture
def edit() -> Callable[[Path, str, str], Path]:
    """Replaces some text of a header, as a careless hand would."""

    def change(path: Path, old: str, new: str) -> Path:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return path

    return change


@pytest.fixture(scope="session")
def of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests share, for what each would take seconds to make."""
    mine = tmp_path_factory.getbasetemp()
    folder = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "of-this-run"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def make_model(of_this_run: Path) -> "Callable[..., Model]":
    """Makes real, tiny model folders by version: the small encoder with seeded weights, exported as training does.

    Untrained, so its scores mean nothing; everything else about it is real. All versions score alike. ``alarm``:
    the rules that it carries.
    """
    from shared.artefact import load
    from shared.artefact.folder import MANIFEST, verify
    from shared.artefact.writing import publish

    def make(version: str, alarm: "AlarmRules | None" = None) -> "Model":
        rules = "" if alarm is None else "-" + hashlib.sha256(alarm.model_dump_json().encode()).hexdigest()[:8]
        first, folder = of_this_run / "untrained-1", of_this_run / f"untrained-{version}{rules}"
        with (of_this_run / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not first.exists():
                _export(first)
            if not folder.exists():  # another manifest over the same graph: an export takes seconds
                contents = {file.name: file.read_bytes() for file in first.iterdir()}
                manifest = load(first).manifest.model_copy(update={"version": version, "alarm": alarm})
                publish(folder, contents | {MANIFEST: manifest.to_text().encode()}, check=verify)
        return load(folder)

    return make


def _export(folder: Path) -> None:
    from services.ingest.synthetic import case, simulate
    from shared.artefact import DataSource, Facts
    from shared.artefact.writing import write
    from shared.encoder import HeadConfig, build, new_head
    from shared.labels import SCORE_NAMES
    from shared.network import Classifier

    kinds = ("NORM", "IMI", "AFIB", "AMI", "PVC", "LVH", "STACH", "CLBBB")
    strips = np.stack([simulate(case(kind, 5, i), 500, 1000) for i, kind in enumerate(kinds)])
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
    write(folder, Classifier(encoder, head).eval(), facts, golden_mv=strips.astype(np.float32))


@pytest.fixture(scope="session")
def model(make_model: Callable[[str], "Model"]) -> "Model":
    """One of them."""
    return make_model("1")


@pytest.fixture(scope="session")
def untrained(model: "Model") -> Path:
    """Its folder."""
    return model.folder
