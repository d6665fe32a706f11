"""`selfmis bench engine`: windows a second of one core through a model, by runtime and precision."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.report import json_argument, present
from benchmarks.untrained import untrained
from services.inference.engine import Engine, EngineError, open_engine
from shared.artefact import load
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.sections import EngineSettings

RUNTIMES = (("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))


def per_second(engine: Engine, windows: np.ndarray[tuple[int, int], np.dtype[np.float32]], rounds: int) -> float:
    """Windows a second of processor time, the best of some rounds: the rest measures neighbours."""
    engine(windows)
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        engine(windows)
        best = min(best, time.process_time() - begun)
    return len(windows) / best


def main(argv: Sequence[str]) -> int:
    """Score windows on one core with each runtime; speed, and how far each is from ONNX Runtime in fp32."""
    parser = Parser(prog="selfmis bench engine", description=main.__doc__)
    parser.add_argument("--model", type=Path, help="a model folder (default: an untrained small one, made now)")
    parser.add_argument("--batch", type=int, default=64, help="windows in a batch (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=40, help="the best of so many counts (default %(default)s)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.batch < 1 or arguments.rounds < 1:
        raise SelfmisError("bench engine: --batch and --rounds must be at least 1")
    windows = np.random.default_rng(0).normal(0, 0.3, (arguments.batch, 1000)).astype(np.float32)
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        model = load(arguments.model) if arguments.model else untrained(Path(folder) / "model")
        figures["model"], figures["batch"] = f"{model.manifest.name}:{model.manifest.version}", arguments.batch
        expected = None
        for runtime, precision in RUNTIMES:
            name = f"{runtime}_{precision}"
            try:
                engine = open_engine(
                    model, EngineSettings.model_validate({"runtime": runtime, "precision": precision})
                )
            except EngineError as error:
                figures[f"{name}_windows_per_s"] = f"not run: {error}"
                continue
            figures[f"{name}_windows_per_s"] = per_second(engine, windows, arguments.rounds)
            found = engine(windows)
            if expected is None:
                expected = found
            figures[f"{name}_largest_difference"] = float(np.abs(found - expected).max())
    present("the model on one core, whole graph", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
