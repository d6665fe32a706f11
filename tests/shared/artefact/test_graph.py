"""The graph scores as the torch network does, and a row's scores do not depend on its batch, to the bit."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.artefact import ArtefactError, CalibrationRecord
from shared.artefact.graph import export_graph
from shared.artefact.session import PARITY, Session, open_session
from shared.artefact.writing import scorer_of
from shared.encoder import HeadConfig, build, new_head
from shared.labels import SCORE_NAMES
from shared.network import Classifier, Preprocessing, Scorer

ROWS = 64


LARGE = [pytest.param(size, marks=pytest.mark.full) for size in ("mid", "full")]


@pytest.fixture(scope="module", params=["small", *LARGE])
def scorer(request: pytest.FixtureRequest, windows: np.ndarray) -> Scorer:
    """A real size; its norms have seen data, so that folding them away is put to the test."""
    encoder = build(request.param, seed=1)
    network = Classifier(encoder, new_head(encoder.dim, HeadConfig(), seed=1))
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.momentum = 1.0  # one pass sets the statistics; untrained ones would let all scores be the same
    with torch.no_grad():
        network.train()(Preprocessing()(torch.from_numpy(windows)).unsqueeze(1))
    calibration = CalibrationRecord(method="temperature", slope=dict.fromkeys(SCORE_NAMES, 1.5))
    return scorer_of(network, calibration)


@pytest.fixture(scope="module")
def graph(scorer: Scorer) -> bytes:
    return export_graph(scorer)


@pytest.fixture(scope="module")
def session(graph: bytes) -> Session:
    return open_session(graph)


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    """Noise, drift, offsets of many millivolts, a flat line and a step."""
    random = np.random.default_rng(2)
    rows = random.normal(size=(ROWS, 1000)) * random.uniform(0.01, 3, size=(ROWS, 1))
    rows[16:32] = rows[16:32].cumsum(axis=1) / 30
    rows += random.normal(size=(ROWS, 1)) * 100
    rows[0] = 0
    rows[1] = 250
    rows[2, 500:] += 5
    return rows.astype(np.float32)


def test_the_graph_scores_as_torch_does(scorer: Scorer, session: Session, windows: np.ndarray) -> None:
    with torch.no_grad():
        expected = scorer(torch.from_numpy(windows)).numpy()
    scores = session(windows)
    assert scores.shape == (ROWS, len(SCORE_NAMES))
    assert np.ptp(scores, axis=0).min() > 0.05  # it does tell windows apart
    np.testing.assert_allclose(scores, expected, rtol=0, atol=PARITY)


@pytest.mark.parametrize("batch", [1, 17, 64])
def test_batches_of_any_size_give_the_same_bits(session: Session, windows: np.ndarray, batch: int) -> None:
    whole = session(windows)
    parts = np.concatenate([session(windows[i : i + batch]) for i in range(0, ROWS, batch)])
    assert np.array_equal(parts, whole)


@given(st.permutations(range(ROWS)))
@settings(max_examples=10, deadline=None)
def test_permuting_windows_permutes_scores_to_the_bit(
    session: Session, windows: np.ndarray, order: list[int]
) -> None:
    assert np.array_equal(session(windows[order]), session(windows)[order])


def test_several_threads_give_the_same_bits(graph: bytes, session: Session, windows: np.ndarray) -> None:
    assert np.array_equal(open_session(graph, threads=2)(windows), session(windows))


@pytest.mark.full
def test_the_same_network_gives_the_same_bytes(scorer: Scorer, graph: bytes) -> None:
    assert export_graph(scorer) == graph


def test_exporting_leaves_the_mode_of_the_network(scorer: Scorer) -> None:
    assert not scorer.training


def test_the_graph_tells_nothing_of_the_machine_that_made_it(graph: bytes) -> None:
    for trace in (b"site-packages", b"def forward", b"shared/", b"stack_trace"):
        assert trace not in graph


def test_the_graph_needs_no_other_file(graph: bytes) -> None:
    model = onnx.load_from_string(graph)
    assert all(t.data_location == onnx.TensorProto.DEFAULT for t in model.graph.initializer)
    assert {node.domain for node in model.graph.node} == {""}


def test_what_is_no_graph_is_refused_in_one_line() -> None:
    for data in (b"", b"nonsense", b"\x08\x09"):
        with pytest.raises(ArtefactError, match=r"\AONNX Runtime refuses the graph: .*\Z"):
            open_session(data)


def test_a_graph_of_another_signature_is_refused() -> None:
    value = onnx.helper.make_tensor_value_info("windows_mv", onnx.TensorProto.FLOAT, ["n", 1000])
    out = onnx.helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", 1000])
    node = onnx.helper.make_node("Sigmoid", ["windows_mv"], ["probabilities"])
    graph = onnx.helper.make_graph([node], "g", [value], [out])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    with pytest.raises(ArtefactError, match="does not map windows_mv"):
        open_session(model.SerializeToString())


def test_a_session_needs_a_thread(graph: bytes) -> None:
    with pytest.raises(ArtefactError, match="at least one thread"):
        open_session(graph, threads=0)
