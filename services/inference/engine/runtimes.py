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
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES
from shared.signal import WINDOW_SAMPLES

Array: TypeAlias = npt.NDArray[np.float32]
RuntimeName = Literal["onnxruntime", "openvino", "torch"]
Precision = Literal["fp32", "bf16"]
# n windows in, n rows of probabilities out. Safe to call from several threads.
Runtime = Callable[[Array], Array]

# OpenVINO compiles a graph per batch size: a batch is padded with zeros to the next of these.
LADDER = (1, 4, 16, 32, 64)


class EngineError(SelfmisError):
    """A model cannot be run here as asked."""


def onnxruntime(model: Model, threads: int) -> Runtime:
    """ONNX Runtime on the CPU, fp32. A row's bits do not depend on the batch."""
    return model.session(threads)


def openvino(model: Model, threads: int, precision: Precision) -> Runtime:
    """OpenVINO on the CPU. Batches are cut and padded to the sizes of `LADDER`."""
    try:
        import openvino as ov  # noqa: PLC0415 - takes 0.3 s, and is not there on every platform
    except ImportError as error:
        raise EngineError(f"OpenVINO cannot be imported ({error}): set engine.runtime to onnxruntime") from None
    core = ov.Core()
    graph = core.read_model(model.read("model.onnx"))
    options = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # Pinned, every process of a machine would run on the same first core.
        "ENABLE_CPU_PINNING": False,
    }
    requests: dict[int, SimpleQueue[Any]] = {}
    compiled = {}
    for size in LADDER:
        shaped = graph.clone()
        shaped.reshape([size, WINDOW_SAMPLES])
        compiled[size] = core.compile_model(shaped, "CPU", options)
        requests[size] = SimpleQueue()
    return partial(_in_steps, partial(_infer, compiled, requests))


def _infer(compiled: dict[int, Any], requests: dict[int, "SimpleQueue[Any]"], batch: Array) -> Array:
    """One padded batch. A request serves one thread at a time; there are as many as threads that ever met here."""
    size = len(batch)
    free = requests[size]
    request = compiled[size].create_infer_request() if free.empty() else free.get()
    try:
        request.infer([batch], share_inputs=True)
        return np.array(request.get_output_tensor(0).data, np.float32)
    finally:
        free.put(request)


def _in_steps(infer: Runtime, windows: Array) -> Array:
    scores = np.empty((len(windows), len(SCORE_NAMES)), np.float32)
    done = 0
    while done < len(windows):
        left = len(windows) - done
        size = next((size for size in LADDER if size >= left), LADDER[-1])
        part = windows[done : done + size]
        if len(part) < size:
            part = np.concatenate([part, np.zeros((size - len(part), WINDOW_SAMPLES), np.float32)])
        scores[done : done + size] = infer(np.ascontiguousarray(part))[:left]
        done += size
    return scores


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
