"""Training runs to be timed: the command itself, some at once, on a store of noise; and what stands beside them.

A figure is the best epoch of real runs, from the end of one epoch to the end of the next, so checkpoints, reports
and validation are in it and start-up is not.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import Figures
from shared.errors import SelfmisError
from shared.frames import LEADS
from training.pretrain.embeddings import embed
from training.runs import load_encoder, read_history
from training.store import SAMPLES, Segment, Source, Store, bits_of, finish, write_part
from training.threads import torch_threads

_ROOT = Path(__file__).resolve().parent.parent


class Bench:
    """Runs of the command in a folder of their own."""

    def __init__(self, folder: Path, encoder: str, batch: int, epochs: int) -> None:
        self.folder = folder
        self.store = folder / "store"
        self._batch = batch
        self._common = ["--store", str(self.store), "--encoder", encoder, "--epochs", str(epochs)]
        self._common += ["--validate", "none", "--folds", "1"]
        self._runs = 0

    def measure(self, repeats: int, counts: Sequence[int]) -> Figures:
        """All figures; in each round every kind of run once, so that all see the same machine."""
        plain, ray = [], []
        loops: dict[int, list[float]] = {count: [] for count in counts}
        workers: dict[int, list[float]] = {count: [] for count in counts}
        whole: dict[int, list[float]] = {count: [] for count in counts}
        for _ in range(repeats):
            plain.append(best_rate(*self.together(["--plain"])))
            ray.append(best_rate(*self.together([])))
            for count in counts:
                beside = self.together(*([["--plain"]] * count))
                loops[count].append(sum(best_rate(out) for out in beside))
                asked, batch = ["--workers", str(count)], count * self._batch
                own_norms = ["--norm-records", str(self._batch)]  # as the loops beside have them
                workers[count].append(best_rate(*self.together([*asked, *own_norms], batch=batch)))
                whole[count].append(best_rate(*self.together(asked, batch=batch)))
        figures = {
            "plain_records_per_s": max(plain),
            "ray_records_per_s": max(ray),
            "ray_over_plain": max(plain) / max(ray),
        }
        for count in counts:
            figures |= {
                f"plain_loops_{count}_records_per_s": max(loops[count]),
                f"workers_{count}_records_per_s": max(workers[count]),
                f"workers_{count}_efficiency": max(workers[count]) / max(loops[count]),
                f"workers_{count}_whole_norms_efficiency": max(whole[count]) / max(loops[count]),
            }
        return {**figures, "two_worker_efficiency": figures["workers_2_efficiency"], **self._teacher()}

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


def read_rates(folder: Path, batch: int) -> dict[str, float]:
    """Records/s of an epoch of one lead in random batches, from disk and then from the page cache; no training.

    What the kernel holds of the files is dropped before; a disk's own cache, or the host's, is beyond it.
    """
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())  # what is not written yet cannot be dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    store = Store(folder)
    return {
        f"store_{name}_records_per_s": _epoch_rate(store, batch, seed)
        for seed, name in enumerate(("cold", "warm"))
    }


def _epoch_rate(store: Store, batch: int, seed: int) -> float:
    order = np.random.default_rng(seed).permutation(len(store))
    start = time.perf_counter()
    for first in range(0, len(order), batch):
        store.signals(order[first : first + batch], ("I",))
    return len(order) / (time.perf_counter() - start)
