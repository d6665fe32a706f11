"""The engine: the same answers whatever runs it, whatever is in the batch, and a clear refusal otherwise."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference.engine import Engine, EngineError, open_engine
from services.inference.engine.runtimes import LADDER, next_size
from shared.artefact import Model
from shared.sections import EngineSettings

RUNTIMES = [("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")]


def engine(model: Model, **settings: Any) -> Engine:
    return open_engine(model, EngineSettings(**settings))


def windows(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, (n, 1000)).astype(np.float32)


@pytest.mark.parametrize(("runtime", "precision"), RUNTIMES)
def test_rows_depend_neither_on_their_neighbours_nor_on_the_batch(
    model: Model, runtime: str, precision: str
) -> None:
    run = engine(model, runtime=runtime, precision=precision)
    many = windows(147)
    whole = run(many)
    order = np.random.default_rng(1).permutation(len(many))
    assert (run(many[order]) == whole[order]).all()
    for size in (1, 2, 5, 17, 64, 65):
        assert (run(many[:size]) == whole[:size]).all()
    assert len(np.unique(whole[:, -1])) > 100, "the scores must differ, or nothing was tested"


@pytest.mark.parametrize(("runtime", "off"), [("openvino", 1e-5), ("torch", 1e-5)])
def test_every_runtime_gives_the_scores_of_onnx_runtime(model: Model, runtime: str, off: float) -> None:
    many = windows(40)
    expected = engine(model, runtime="onnxruntime")(many)
    found = engine(model, runtime=runtime, precision="fp32")(many)
    np.testing.assert_allclose(found, expected, atol=off)


def test_reduced_precision_stays_within_its_stated_tolerance(model: Model) -> None:
    many = windows(40)
    full = engine(model, runtime="openvino", precision="fp32")(many)
    np.testing.assert_allclose(engine(model, runtime="openvino", precision="bf16")(many), full, atol=0.01)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core only")
@pytest.mark.parametrize(("runtime", "precision"), RUNTIMES)
def test_a_thread_that_infers_may_run_on_every_core(model: Model, runtime: str, precision: str) -> None:
    run, many = engine(model, runtime=runtime, precision=precision), windows(64)
    thread, every = threading.get_native_id(), os.sched_getaffinity(0)
    seen: list[set[int]] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(os.sched_getaffinity(thread))
            time.sleep(0.001)  # let it run

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        while len(seen) < 200:
            run(many)
        over.set()
        looking.result()
    assert all(cores == every for cores in seen)


@given(st.integers(1, 2000))
def test_batches_are_cut_so_that_little_is_padded(windows: int) -> None:
    left, padded = windows, 0
    while left > 0:
        size = next_size(left)
        assert size in LADDER
        padded += max(0, size - left)
        left -= size
    assert padded <= windows / 3


def test_a_graph_that_does_not_say_where_its_learnt_part_begins_is_not_reduced(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.inference.engine.runtimes.SHOWN", "nothing of this name")
    with pytest.raises(EngineError, match="does not say where its learnt part begins"):
        engine(model, runtime="openvino", precision="bf16")


def test_several_threads_may_score_at_once(model: Model) -> None:
    run = engine(model)
    many = [windows(30) + np.float32(i / 100) for i in range(8)]
    expected = [run(part) for part in many]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, many * 3))
    for i, scores in enumerate(found):
        assert (scores == expected[i % 8]).all()


def test_no_windows_give_no_scores(model: Model) -> None:
    assert engine(model)(windows(0)).shape == (0, 10)


def test_an_alert_can_say_which_model_made_it(model: Model) -> None:
    assert engine(model).version == "untrained:1"


def without_bf16(model: Model) -> Model:
    return replace(model, manifest=model.manifest.model_copy(update={"metrics": {}}))


def test_reduced_precision_is_used_only_if_the_model_says_it_is_harmless(model: Model) -> None:
    silent = without_bf16(model)
    assert engine(silent, precision="auto").precision == "fp32"
    with pytest.raises(EngineError, match=r"states bf16\.auroc_lost nowhere"):
        engine(silent, runtime="openvino", precision="bf16")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"runtime": "onnxruntime", "precision": "bf16"}, "needs engine.runtime openvino"),
        ({"runtime": "openvino", "device": "cuda"}, "needs engine.runtime torch"),
        ({"device": "cuda"}, "finds no GPU"),
    ],
)
def test_what_cannot_be_run_is_one_line(model: Model, settings: dict[str, str], says: str) -> None:
    with pytest.raises(EngineError, match=says) as refused:
        engine(model, **settings)
    assert "\n" not in str(refused.value)
