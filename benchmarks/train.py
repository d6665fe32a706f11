"""`selfmis bench train`: what Ray Train costs over the same loop without it, and what a second worker brings.

Everything is measured through the command itself: each figure is the best epoch of real runs, from the end of one
epoch to the end of the next, so checkpoints, reports and validation are in it and start-up is not.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import Figures, json_argument, present
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.frames import LEADS
from training.pretrain.embeddings import embed
from training.runs import load_encoder, read_history
from training.store import SAMPLES, Segment, Source, Store, bits_of, finish, write_part
from training.threads import torch_threads

_ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str]) -> int:
    """Ray Train against the same loop in plain torch, on noise as data; takes a few minutes.

    ray_over_plain: time of one Ray worker over that of a plain loop (goal: at most 1.05).
    two_worker_efficiency: records/s of two Ray workers, twice the batch, over those of two independent plain loops
    side by side (goal: at least 0.85). teacher_cache_gain: what a step of SelfMIS would cost if the teacher were
    asked anew in each, over what it costs.
    """
    parser = Parser(prog="selfmis bench train", description=main.__doc__)
    parser.add_argument("--encoder", default="small", help="default small")
    parser.add_argument("--batch", type=int, default=64, help="records of each worker's step (default 64)")
    parser.add_argument("--records", type=int, default=2048, help="in an epoch (default 2048)")
    parser.add_argument(
        "--epochs", type=int, default=6, help="of each run; the first one does not count (default 6)"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="rounds, each of all runs; the best counts (default 3)"
    )
    json_argument(parser)
    arguments = parser.parse_args(argv)
    for name, low in (("batch", 2), ("records", 2 * arguments.batch), ("epochs", 2), ("repeats", 1)):
        if getattr(arguments, name) < low:
            parser.error(f"--{name} must be at least {low}")
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-train-") as folder:
        bench = Bench(Path(folder), arguments.encoder, arguments.batch, arguments.epochs)
        write_noise(bench.store, arguments.records)
        figures = bench.measure(arguments.repeats)
    settings = {name: getattr(arguments, name) for name in ("encoder", "batch", "records", "epochs", "repeats")}
    present("Training, one thread a worker", {**settings, **figures}, arguments.json)
    return 0


class Bench:
    """Runs of the command in a folder of their own."""

    def __init__(self, folder: Path, encoder: str, batch: int, epochs: int) -> None:
        self.folder = folder
        self.store = folder / "store"
        self._batch = batch
        self._common = ["--store", str(self.store), "--encoder", encoder, "--epochs", str(epochs)]
        self._common += ["--validate", "none", "--folds", "1"]
        self._runs = 0

    def measure(self, repeats: int) -> Figures:
        """All figures; in each round every kind of run once, so that all see the same machine."""
        plain, ray, pair, two = [], [], [], []
        for _ in range(repeats):
            plain.append(best_rate(*self.together(["--plain"])))
            ray.append(best_rate(*self.together([])))
            pair.append(sum(best_rate(out) for out in self.together(["--plain"], ["--plain"])))
            two.append(best_rate(*self.together(["--workers", "2"], batch=2 * self._batch)))
        return {
            "plain_records_per_s": max(plain),
            "ray_records_per_s": max(ray),
            "ray_over_plain": max(plain) / max(ray),
            "two_plain_loops_records_per_s": max(pair),
            "two_workers_records_per_s": max(two),
            "two_worker_efficiency": max(two) / max(pair),
            **self._teacher(),
        }

    def together(self, *variants: list[str], batch: int | None = None, method: str = "supervised") -> list[Path]:
        """Run the command once for each list of arguments, all at the same time; gives the run folders."""
        outs, processes = [], []
        # Ray gives workers a low priority (nice 15): beside anything else the terms would not be equal.
        environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT), "RAY_worker_niceness": "0"}
        for more in variants:
            self._runs += 1
            outs.append(self.folder / f"run-{self._runs}")
            what = ["--method", method, "--batch", str(batch or self._batch), "--out", str(outs[-1]), *more]
            command = [sys.executable, "-m", "training.pretrain", *self._common, *what]
            processes.append(
                subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            )
        for process in processes:
            _, said = process.communicate()
            if process.returncode:
                lines = said.decode(errors="replace").strip().splitlines() or ["it said nothing"]
                raise SelfmisError(f"bench train: a run failed: {lines[-1]:.300}")
        return outs

    def _teacher(self) -> dict[str, object]:
        (teacher,) = self.together(["--plain"], method="upper")
        (student,) = self.together(["--plain", "--teacher", str(teacher)], method="selfmis")
        student_rate = best_rate(student)
        teacher_rate = embedding_rate(teacher, self.store)
        return {
            "selfmis_records_per_s": student_rate,
            "teacher_forward_records_per_s": teacher_rate,
            "teacher_cache_gain": 1 + student_rate / teacher_rate,
        }


def best_rate(out: Path) -> float:
    """Records/s of a run's best epoch, from end to end of epochs."""
    rates = [
        later["records"] / (later["since_start_s"] - earlier["since_start_s"])
        for earlier, later in pairwise(read_history(out))
    ]
    return float(max(rates))


def embedding_rate(teacher: Path, store: Path, rows: int = 256, repeats: int = 3) -> float:
    """Records/s of the teacher's forward pass, reading and pre-processing of its leads included."""
    opened, trained = Store(store), load_encoder(teacher)
    some = np.arange(min(rows, len(opened)))
    best = 0.0
    with torch_threads(1):
        for _ in range(repeats):
            start = time.perf_counter()
            embed(trained.encoder, opened, some, trained.record.leads, torch.device("cpu"))
            best = max(best, len(some) / (time.perf_counter() - start))
    return best


def write_noise(folder: Path, records: int) -> None:
    """A store of noise, every fourth record an IMI: speed does not care what it learns."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    segments = [
        Segment(
            record=str(i),
            source="noise",
            counts=chance.normal(0, 300, (len(LEADS), SAMPLES)).astype(np.int16),
            leads=bits_of(LEADS),
            fold=1,
            statements={"NORM": 100.0} if i % 4 else {"IMI": 100.0},
        )
        for i in range(records)
    ]
    part = write_part(folder, "0" * 16, segments, {})
    source = Source("noise", "plain", records, 0)
    finish(folder, [part], [source], created=datetime.now(UTC), code="bench")


if __name__ == "__main__":
    raise SystemExit(run(main))
