"""The programs that can run a model's graph, each as a plain function of a batch.

OpenVINO is the default on CPUs, because `selfmis bench engine` shows it to be the fastest there; ONNX Runtime is
there where OpenVINO does not run, torch for GPUs.
"""

from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from shared.artefact import Model
from shared.artefact.session import SHOWN
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES
from shared.signal import WINDOW_SAMPLES

Array: TypeAlias = npt.NDArray[np.float32]
RuntimeName = Literal["onnxruntime", "openvino", "torch"]
Precision = Literal["fp32", "bf16"]
# n windows in, n rows of probabilities out. Safe to call from several threads.
Runtime = Callable[[Array], Array]

# OpenVINO compiles a graph per batch size: batches are cut to these, the last padded with zeros.
LADDER = (1, 4, 16, 64, 128)


class EngineError(SelfmisError):
    """A model cannot be run here as asked."""


def onnxruntime(model: Model, threads: int) -> Runtime:
    """ONNX Runtime on the CPU, fp32. A row's bits do not depend on the batch."""
    return model.session(threads)


def openvino(model: Model, threads: int, precision: Precision) -> Runtime:
    """OpenVINO on the CPU. Batches are cut and padded to the sizes of `LADDER`.

    In bf16 the part of the graph that is learnt is; what it is shown is always made in fp32. There a bit more or
    less moves a heartbeat, and products of few rows are rounded unlike those of many.
    """
    try:
        import openvino as ov  # noqa: PLC0415 - takes 0.3 s, and is not there on every platform
    except ImportError as error:
        raise EngineError(f"OpenVINO cannot be imported ({error}): set engine.runtime to onnxruntime") from None
    core = ov.Core()
    whole = core.read_model(model.read("model.onnx"))
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # Pinned, every process of a machine would run on the same first core.
        "ENABLE_CPU_PINNING": False,
    }
    full, reduced = ({**options, "INFERENCE_PRECISION_HINT": hint} for hint in ("f32", "bf16"))
    compiled: dict[int, list[Any]] = {}
    for size in LADDER:
        shaped = whole.clone()
        shaped.reshape([size, WINDOW_SAMPLES])
        if precision == "fp32":
            compiled[size] = [core.compile_model(shaped, "CPU", full)]
        else:
            rules, learnt = _parted(shaped, model)
            compiled[size] = [core.compile_model(rules, "CPU", full), core.compile_model(learnt, "CPU", reduced)]
    requests: dict[int, SimpleQueue[Any]] = {size: SimpleQueue() for size in LADDER}
    return partial(_in_steps, partial(_infer, compiled, requests))


def _parted(graph: Any, model: Model) -> tuple[Any, Any]:
    """A graph as two, one after the other: up to what its learnt part is shown, and from there on."""
    import openvino as ov  # noqa: PLC0415 - see openvino
    from openvino import opset13  # noqa: PLC0415 - as above

    places = [place for op in graph.get_ordered_ops() for place in op.outputs() if SHOWN in place.get_names()]
    if not places:
        raise EngineError(
            f"model {model.folder}: its graph does not say where its learnt part begins, so it cannot run in bf16:"
            " set engine.precision to fp32, or make its graph again (selfmis export again)"
        )
    (shown,) = places
    users = list(shown.get_target_inputs())
    between = opset13.parameter(list(shown.get_shape()), ov.Type.f32)
    rules = ov.Model([shown], graph.get_parameters(), "rules")
    for user in users:
        user.replace_source_output(between.output(0))
    return rules, ov.Model(graph.get_results(), [between], "learnt")


def _infer(compiled: dict[int, list[Any]], requests: dict[int, "SimpleQueue[Any]"], batch: Array) -> Array:
    """One padded batch. Requests serve one thread at a time; there are as many as threads that ever met here."""
    size = len(batch)
    free = requests[size]
    chain = [part.create_infer_request() for part in compiled[size]] if free.empty() else free.get()
    try:
        passed = batch
        for request in chain:
            request.infer([passed], share_inputs=True)
            passed = request.get_output_tensor(0).data
        return np.array(passed, np.float32)
    finally:
        free.put(chain)


def _in_steps(infer: Runtime, windows: Array) -> Array:
    scores = np.empty((len(windows), len(SCORE_NAMES)), np.float32)
    done = 0
    while done < len(windows):
        size = next_size(len(windows) - done)
        part = windows[done : done + size]
        if len(part) < size:
            part = np.concatenate([part, np.zeros((size - len(part), WINDOW_SAMPLES), np.float32)])
        scores[done : done + size] = infer(np.ascontiguousarray(part))[: len(windows) - done]
        done += size
    return scores


def next_size(left: int) -> int:
    """How many windows to take next: all with some padding, where that costs less than doing them in parts."""
    below = max(size for size in LADDER if size <= left)
    above = next((size for size in LADDER if size >= left), below)
    return above if above - left <= above // 4 else below


def torch(model: Model, threads: int, device: str) -> Runtime:
    """torch, for GPUs; on the CPU it is the slowest and only for comparison."""
    import torch as th  # noqa: PLC0415 - takes seconds, and CPU serving does not need it

    from shared.artefact.writing import torch_model  # noqa: PLC0415 - as above

    if device.startswith("cuda") and not th.cuda.is_available():
        raise EngineError(f"engine.device is {device}, but torch finds no GPU: set it to cpu")
    if device == "cpu":
        th.set_num_threads(threads)
    network = torch_model(model).eval().to(device)

    def run(windows: Array) -> Array:
        with th.inference_mode():
            scores: Array = network(th.from_numpy(windows).to(device)).float().cpu().numpy()
        return scores

    return run
