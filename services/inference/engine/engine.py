"""Opening an engine: which program and precision, checked against the model's own golden windows before use."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from services.inference.engine import runtimes
from services.inference.engine.runtimes import LADDER, Array, EngineError, Precision, Runtime, RuntimeName
from shared.artefact import Model
from shared.artefact.session import PARITY
from shared.labels import SCORE_NAMES
from shared.sections import EngineSettings
from shared.signal import WINDOW_SAMPLES

# Reduced precision is used only if the model's own evaluation says that it costs no more than this.
MOST_AUROC_LOST = 0.001
MOST_OFF_IN_BF16 = 0.01


@dataclass(frozen=True, slots=True)
class Engine:
    """A model ready to score. ``run`` may be called from several threads; each call uses ``threads`` threads.

    A row's result depends neither on the other rows nor on their number: checked when it was opened.
    """

    model: Model
    runtime: RuntimeName
    precision: Precision
    threads: int
    _run: Runtime

    def __call__(self, windows_mv: Array) -> Array:
        """Windows (n × 1000, float32 raw millivolts at 100 Hz, finite) to probabilities (n × 10)."""
        if len(windows_mv) == 0:
            return np.empty((0, len(SCORE_NAMES)), np.float32)
        return self._run(windows_mv)

    @property
    def version(self) -> str:
        """What an alert says made it: name and version of the model."""
        return f"{self.model.manifest.name}:{self.model.manifest.version}"


def open_engine(model: Model, settings: EngineSettings) -> Engine:
    """The engine the settings ask for; `EngineError` or `ArtefactError`, one line, if it cannot be had.

    Costs a second or two: graphs are compiled, and golden windows are scored alone and in batches. From then on
    NumPy's BLAS uses one thread in this process: how many it uses decides last bits of the quality gate, and
    a replica's cores belong to its engine.
    """
    threadpool_limits(1, user_api="blas")
    runtime = _runtime(settings.runtime, settings.device)
    precision = _precision(model, settings.precision, runtime)
    run: Runtime
    if runtime == "openvino":
        run = runtimes.openvino(model, settings.threads, precision)
    elif runtime == "onnxruntime":
        run = runtimes.onnxruntime(model, settings.threads)
    else:
        run = runtimes.torch(model, settings.threads, settings.device)
    engine = Engine(model, runtime, precision, settings.threads, run)
    _check(engine)
    return engine


def _runtime(wanted: Literal["auto", "onnxruntime", "openvino", "torch"], device: str) -> RuntimeName:
    if device != "cpu":
        if wanted not in {"auto", "torch"}:
            raise EngineError(f"engine.device {device} needs engine.runtime torch, not {wanted}")
        return "torch"
    if wanted == "auto":
        return "openvino" if find_spec("openvino") is not None else "onnxruntime"
    return wanted


def _precision(model: Model, wanted: Literal["auto", "fp32", "bf16"], runtime: RuntimeName) -> Precision:
    lost = model.manifest.metrics.get("bf16", {}).get("auroc_lost")
    allowed = isinstance(lost, int | float) and lost <= MOST_AUROC_LOST
    if wanted == "bf16":
        if runtime != "openvino":
            raise EngineError(f"engine.precision bf16 needs engine.runtime openvino, not {runtime}")
        if not allowed:
            raise EngineError(
                f"model {model.folder}: bf16 is not known to be harmless: its manifest states"
                f" bf16.auroc_lost {lost if lost is not None else 'nowhere'}, at most {MOST_AUROC_LOST} is allowed"
            )
        return "bf16"
    if wanted == "auto" and allowed and runtime == "openvino" and _has_bf16():
        return "bf16"
    return "fp32"


def _has_bf16() -> bool:
    """Whether the processor computes in bf16 itself; elsewhere it would only be emulated, slower."""
    import openvino as ov  # noqa: PLC0415 - see runtimes

    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _check(engine: Engine) -> None:
    """Golden windows give golden scores, and a row's bits depend neither on its place nor on the batch's size."""
    windows, expected = engine.model.golden()
    found = engine(windows)
    off = float(np.abs(found - expected).max())
    allowed = PARITY if engine.precision == "fp32" else MOST_OFF_IN_BF16
    if not off <= allowed:
        raise EngineError(
            f"model {engine.model.folder}: {engine.runtime} ({engine.precision}) scores golden windows"
            f" {off:.2g} off; at most {allowed:g} is allowed"
        )
    if engine.runtime == "torch":
        return  # GPUs choose kernels by shape; for them the tolerance above is the promise
    for size in LADDER:
        batch = np.resize(windows[::-1], (size, WINDOW_SAMPLES))
        alike = np.resize(found[::-1], (size, len(SCORE_NAMES)))
        if (engine(batch).view(np.uint32) != alike.view(np.uint32)).any():
            raise EngineError(
                f"{engine.runtime} ({engine.precision}) scores a window differently in a batch of {size} on this"
                " processor: set engine.runtime to onnxruntime and engine.precision to fp32"
            )
