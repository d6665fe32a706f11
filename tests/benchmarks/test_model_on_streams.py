"""`selfmis alarms streams`: streams are what they say, and what the rules did on them comes out as it was."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.model_on_streams import main
from benchmarks.streams.asked import RULES
from benchmarks.streams.judged import judged
from benchmarks.streams.recorded import BOUT_EVERY_S, BOUT_S, recorded, streamable
from benchmarks.streams.scoring import cut, scored
from benchmarks.streams.simulated import crowd, simulated
from benchmarks.streams.stream import Length, Stream
from services.ingest.synthetic import MIMICS
from services.ingest.synthetic.ptbxl_layout import plan, write
from shared.artefact import Model, load, shipped
from shared.errors import SelfmisError
from shared.labels import MI_CODES, SCORE_NAMES
from shared.sections import AlarmSettings
from shared.signal_to_noise import noise_amplitude
from training.evaluate.robustness import Tape
from training.prepare.part import Cutting
from training.prepare.run import list_source, plan_sources, prepare
from training.prepare.spread import here
from training.progress import Progress
from training.store import Store

SHORT = Length(seconds=40.0, onset_s=20.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Eighty simulated records, half of them with an infarct."""
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("store")
    for _ in write(data, plan(80, seed=1, mix={"NORM": 0.3, "AFIB": 0.2, "IMI": 0.5})):
        pass
    planned = plan_sources([list_source("simulated", data, None)])
    shown = Progress("read", 80, "records")
    when = datetime(2026, 1, 1, tzinfo=UTC)
    prepare(planned, folder, cutting=Cutting(), spread=here, now=when, code="test", progress=shown)
    return Store(folder)


@pytest.fixture(scope="module")
def tape() -> Tape:
    noise = np.random.default_rng(1).normal(size=60_000)
    return Tape("em", ((noise / noise_amplitude(noise, 100_000)).astype(np.float32),))


def test_every_record_is_a_stream_and_those_with_an_infarct_begin_as_somebody_else(
    store: Store, tape: Tape
) -> None:
    rows = streamable(store, tuple(range(1, 11)), "I")
    streams = list(recorded(store, rows, "I", [tape], SHORT))
    assert len(streams) == len(store)
    ill = [stream for stream in streams if stream.onset_s is not None]
    assert {stream.kind for stream in ill} == {"IMI"}
    assert len(ill) == store.labels(rows)[:, -1].sum()
    assert {stream.kind for stream in streams} == {"IMI", "NORM", "other findings"}
    assert {stream.seconds for stream in streams} == {40.0}
    assert {stream.onset_s for stream in ill} == {20.0}


def test_a_stream_is_its_record_over_and_over_with_bouts_of_noise(store: Store, tape: Tape) -> None:
    silent = Tape("bw", (np.zeros(60_000, np.float32),))
    length = Length(seconds=2 * BOUT_EVERY_S, onset_s=BOUT_EVERY_S)
    rows = streamable(store, (1,), "I")[:1]
    clean, noisy = (next(iter(recorded(store, rows, "I", [each], length))) for each in (silent, tape))
    touched = np.abs(noisy.millivolts - clean.millivolts) > 0
    assert touched.mean() == pytest.approx(BOUT_S / BOUT_EVERY_S, abs=0.01)
    tail = clean.millivolts[2000:]
    lags = [np.abs(tail[lag : lag + 3000] - tail[:3000]).max() for lag in range(500, 1001)]
    assert min(lags) < 1e-6  # it repeats, to the microvolt, after at most its ten seconds


def test_simulated_streams_have_every_infarct_and_every_mimic_and_only_infarcts_an_onset() -> None:
    streams = list(simulated("I", SHORT, crowd(each=1, well=2)))
    assert [stream.kind for stream in streams] == ["NORM", "NORM", *MI_CODES, *MIMICS]
    assert {stream.kind for stream in streams if stream.onset_s is not None} == set(MI_CODES)
    assert {stream.seconds for stream in streams} == {40.0}


@pytest.mark.parametrize("rate_mhz", [100_000, 250_000, 128_000])
def test_windows_are_cut_where_the_monitor_cuts_them(rate_mhz: int) -> None:
    hertz = rate_mhz / 1000
    signal = np.arange(round(31 * hertz), dtype=np.float32)
    windows, end_s = cut(Stream("p", "NORM", rate_mhz, signal), 5.0)
    assert windows[:, 0].tolist() == [np.floor(k * 5 * hertz) for k in range(5)]
    np.testing.assert_allclose(end_s, 10 + 5 * np.arange(5), atol=1 / hertz)


def told(level: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """An engine whose any-MI is a function of the windows."""

    def engine(windows: np.ndarray) -> np.ndarray:
        scores = np.zeros((len(windows), len(SCORE_NAMES)), np.float32)
        scores[:, -1] = level(windows)
        return scores

    return engine


def test_detected_missed_and_false_are_counted_kind_by_kind(beating: Callable[..., np.ndarray]) -> None:
    """Of four patients, those that are tall are taken for ill: one is, one is not, and one ill one stays small."""
    small, tall = (np.float32(height) * beating(300, 100).astype(np.float32) for height in (0.5, 1.5))
    change = np.concatenate([small[:15_000], tall[:15_000]])
    streams = [
        Stream("a", "NORM", 100_000, small),
        Stream("b", "LVH", 100_000, change),
        Stream("c", "IMI", 100_000, change, 150.0),
        Stream("d", "PMI", 100_000, small, 150.0),
    ]
    engine = told(lambda windows: 0.9 * (np.ptp(windows, axis=1) > 1.2))
    done = list(scored(streams, engine, stride_s=5.0))
    found = judged(done, AlarmSettings(), answer_s=60)
    assert (found["episodes"], found["detected"], found["false_alarm_patients"]) == (2, 1, 1)
    kinds = found["kinds"]
    assert {name: kind["detected"] for name, kind in kinds.items()} == {"IMI": 1, "LVH": 0, "NORM": 0, "PMI": 0}
    assert {name for name, kind in kinds.items() if kind["false_alarms"]} == {"LVH"}
    assert kinds["LVH"]["false_alarm_patients"] == 1
    assert 10 <= kinds["IMI"]["time_to_detection_s_median"] <= 40
    assert kinds["IMI"]["any_mi"] == pytest.approx(0.9)
    assert kinds["PMI"]["any_mi"] == 0


@pytest.fixture(scope="module")
def nstdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three records of noise."""
    import wfdb

    folder = tmp_path_factory.mktemp("nstdb")
    noise = np.random.default_rng(2).normal(size=(40_000, 1))
    for kind in ("bw", "em", "ma"):
        wfdb.wrsamp(
            kind, fs=360, units=["mV"], sig_name=["noise"], p_signal=noise, fmt=["16"], write_dir=str(folder)
        )
    return folder


def asked(model: Model, store: Store, nstdb: Path, *more: str) -> list[str]:
    words = [str(model.folder), "--data", str(store.path), "--nstdb", str(nstdb), "--minutes", "2", "--each", "1"]
    return [*words, "--tune", "1-5", "--test", "6-10", *more]


@pytest.fixture(scope="module")
def able() -> Model:
    """The shipped model: an untrained one tells nobody before an infarct from after it."""
    return load(shipped("I"))


@pytest.fixture(scope="module")
def figures(able: Model, store: Store, nstdb: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("out")
    sweep = ["--sweep", "low=0.2,0.95", "--max-false-per-hour", "1000"]
    assert main(asked(able, store, nstdb, *sweep, "--out", str(out))) == 0
    found: dict[str, Any] = json.loads((out / "streams.json").read_text())
    found["page"] = (out / "streams.md").read_text()
    return found


def test_the_command_writes_rules_figures_and_a_page(figures: dict[str, Any], able: Model) -> None:
    assert figures["rules"]["low"] == 0.2
    assert set(figures["rules"]) == set(RULES)
    assert figures["recorded"]["patients"] + figures["tuned_on"]["patients"] == 80
    assert figures["simulated"]["episodes"] == len(MI_CODES)
    assert figures["model"]["weights_sha256"] == able.manifest.files["weights.safetensors"].sha256
    for kind in (*MI_CODES, *MIMICS):
        assert f"| {kind} | 1 | " in figures["page"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--test", "5"], "must not share a fold"),
        (["--sweep", "low=0.95", "--max-false-per-hour", "0"], "finds anything"),
        (["--minutes", "0.1"], "--minutes is 2"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    model: Model, store: Store, nstdb: Path, more: list[str], said: str
) -> None:
    with pytest.raises(SelfmisError, match=said):
        main(asked(model, store, nstdb, *more))
