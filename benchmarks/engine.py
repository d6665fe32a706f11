"""`selfmis bench engine`: windows a second of one core through a model, by runtime and precision."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.report import json_argument, present
from benchmarks.untrained import untrained
from services.inference.engine import Engine, EngineError, open_engine
from services.ingest.synthetic import case, simulate
from shared.artefact import Model, load
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.labels import MI_CODES
from shared.sections import EngineSettings
from shared.signal import WINDOW_SAMPLES

RUNTIMES = (("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
Windows = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def seconds(engines: Sequence[Engine], windows: Windows, rounds: int) -> list[float]:
    """Seconds of processor time of each, the best of some rounds: the rest measures neighbours.

    They run in turn, so that what disturbs one disturbs the other.
    """
    for engine in engines:
        engine(windows)
    best = [float("inf")] * len(engines)
    for _ in range(rounds):
        for i, engine in enumerate(engines):
            begun = time.process_time()
            engine(windows)
            best[i] = min(best[i], time.process_time() - begun)
    return best


def main(argv: Sequence[str]) -> int:
    """Score windows on one core with each runtime; speed, and how far each is from ONNX Runtime in fp32."""
    parser = Parser(prog="selfmis bench engine", description=main.__doc__)
    parser.add_argument("--model", type=Path, help="a model folder (default: an untrained small one, made now)")
    parser.add_argument("--against", type=Path, help="another model folder, run in turn with the first")
    parser.add_argument("--batch", type=int, default=64, help="windows in a batch (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=40, help="the best of so many counts (default %(default)s)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.batch < 1 or arguments.rounds < 1:
        raise SelfmisError("bench engine: --batch and --rounds must be at least 1")
    strips = [simulate(case(kind, 5, i), 500, WINDOW_SAMPLES) for i, kind in enumerate(MI_CODES)]
    windows = np.resize(np.stack(strips).astype(np.float32), (arguments.batch, WINDOW_SAMPLES))
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        model = load(arguments.model) if arguments.model else untrained(Path(folder) / "model")
        figures["model"], figures["batch"] = f"{model.manifest.name}:{model.manifest.version}", arguments.batch
        other = load(arguments.against) if arguments.against else None
        if other is not None:
            figures["against"] = f"{other.manifest.name}:{other.manifest.version}"
        expected = None
        for runtime, precision in RUNTIMES:
            name = f"{runtime}_{precision}"
            settings = EngineSettings.model_validate({"runtime": runtime, "precision": precision})
            try:
                engine = open_engine(model, settings)
            except EngineError as error:
                figures[f"{name}_windows_per_s"] = f"not run: {error}"
                continue
            engines = [engine] if other is None else [engine, *_opened(other, settings)]
            took = seconds(engines, windows, arguments.rounds)
            figures[f"{name}_windows_per_s"] = len(windows) / took[0]
            figures[f"{name}_us_per_window"] = took[0] / len(windows) * 1e6
            if len(took) > 1:
                figures[f"{name}_times_as_fast_as_against"] = took[1] / took[0]
            found = engine(windows)
            if expected is None:
                expected = found
            figures[f"{name}_largest_difference"] = float(np.abs(found - expected).max())
    present("the model on one core, whole graph", figures, arguments.json)
    return 0


def _opened(model: Model, settings: EngineSettings) -> list[Engine]:
    """An engine, or none where this model cannot be run so."""
    try:
        return [open_engine(model, settings)]
    except EngineError:
        return []


if __name__ == "__main__":
    raise SystemExit(run(main))
