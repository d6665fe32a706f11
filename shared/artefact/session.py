"""ONNX bytes become something that scores windows on the CPU. Knows ONNX Runtime, not torch."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from shared.artefact.errors import ArtefactError
from shared.labels import SCORE_NAMES
from shared.signal import WINDOW_SAMPLES

INPUT, OUTPUT = "windows_mv", "probabilities"
SHOWN = "shown"  # what the learnt part of the graph is shown; fixed rules make it of the windows
PARITY = 1e-4  # largest difference of a probability between torch and a graph, or between two machines

Array: TypeAlias = npt.NDArray[np.float32]

_ENGINE_REFUSES = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class Session:
    """A graph that scores windows on the CPU; build it with `open_session`."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session

    def __call__(self, windows_mv: Array) -> Array:
        """Raw millivolts at 100 Hz to probabilities ``(n, 10)`` in `SCORE_NAMES` order.

        Takes finite float32 ``(n, 1000)``, n at least one. Safe to call from several threads.
        A row's result does not depend, to the bit, on which other rows are in the batch.
        """
        (probabilities,) = self._session.run([OUTPUT], {INPUT: windows_mv})
        result: Array = probabilities
        return result


def open_session(graph: bytes, *, threads: int = 1) -> Session:
    """A session over ONNX bytes that uses exactly ``threads`` threads; refuses a graph with another signature."""
    if threads < 1:
        raise ArtefactError(f"a session needs at least one thread, not {threads}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # its errors come to us as exceptions
    # Idle threads of many replicas on one machine must not burn the cores of the others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except UnicodeDecodeError:  # in its own words about the graph
        raise ArtefactError("ONNX Runtime refuses the graph, in words that are no text") from None
    except _ENGINE_REFUSES as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArtefactError(f"ONNX Runtime refuses the graph: {why:.200}") from None
    signature = [
        [(end.name, end.type, end.shape[1:]) for end in ends]
        for ends in (session.get_inputs(), session.get_outputs())
    ]
    wanted = [
        [(INPUT, "tensor(float)", [WINDOW_SAMPLES])],
        [(OUTPUT, "tensor(float)", [len(SCORE_NAMES)])],
    ]
    if signature != wanted:
        raise ArtefactError(
            f"the graph does not map {INPUT} (n, {WINDOW_SAMPLES}) to {OUTPUT} (n, {len(SCORE_NAMES)})"
        )
    return Session(session)
