"""Doing one unit: the same whether in this process or on a worker of Ray.

What a unit prints goes to ``ROOT/logs/NAME.log``. A unit is done when its `unit.json` is there, which is written
last; one that was killed goes on from its last checkpoint, because training does.
"""

import contextlib
import fcntl
import io
import json
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from shared.errors import SelfmisError
from shared.frames import LEADS
from training import runs
from training.classifier import load_run
from training.compare.units import DONE, RANKS, SCORES, Encoding, Heading, Matching, Unit, folder_of, is_done
from training.decision import Rule
from training.evaluate.matching import ranks_of
from training.evaluate.members import assign
from training.evaluate.models import RunModel, scores_of
from training.evaluate.run import decided
from training.finetune.run import finetune_run
from training.pretrain.dataset import open_dataset
from training.pretrain.embeddings import of_teacher
from training.pretrain.plan import Place
from training.pretrain.progress import Lines, Progress
from training.pretrain.run import pretrain
from training.pretrain.world import World
from training.probe.embeddings import FOLDER
from training.probe.run import probe_run
from training.probe.selection import labelled_rows
from training.revision import revision
from training.store import Store
from training.threads import torch_threads

LOGS = "logs"
_LOCK = ".embedding"
_RULE = Rule()  # Youden's: the thresholds are no part of what is compared
Told = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where units are done: folders that all workers see, and what one unit may use."""

    root: Path
    store: Path
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class Outcome:
    """What became of a unit: ``error`` is one line, ``found`` says that it had been done before."""

    name: str
    error: str | None = None
    found: bool = False


def do(unit: Unit, bench: Bench, told: Told = lambda: None) -> Outcome:
    """Do a unit, or find it done. Never raises for what is wrong with it: that is in the outcome and its log.

    ``told`` is called now and then while it lasts.
    """
    if is_done(bench.root, unit):
        return Outcome(unit.name, found=True)
    log = bench.root / LOGS / f"{unit.name}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with (
            log.open("a", encoding="utf-8", buffering=1) as said,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            torch_threads(bench.threads),
            threadpool_limits(bench.threads),
        ):
            began = time.monotonic()
            _do(unit, bench, told)
            _finish(unit, bench.root, time.monotonic() - began)
    except SelfmisError as error:
        return Outcome(unit.name, str(error))
    except Exception as fault:  # noqa: BLE001 - one broken unit must not end a grid of days; its traceback is kept
        with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as said:
            traceback.print_exc(file=said)
        first = (str(fault).splitlines() or [""])[0]
        return Outcome(unit.name, f"{type(fault).__name__}: {first:.200} (see {log})")
    return Outcome(unit.name)


def _do(unit: Unit, bench: Bench, told: Told) -> None:
    match unit:
        case Encoding():
            _encode(unit, bench, told)
        case Heading():
            _head(unit, bench, told)
        case Matching():
            _match(unit, bench)


def _encode(unit: Encoding, bench: Bench, told: Told) -> None:
    folder = folder_of(bench.root, unit)
    place = Place(threads=bench.threads, device=bench.device, plain=True)
    if unit.plan.teacher is not None:
        with (unit.plan.teacher / _LOCK).open("w") as lock:  # many students may come at once, and one is enough
            fcntl.flock(lock, fcntl.LOCK_EX)
            of_teacher(unit.plan, place.cache, open_dataset(unit.plan), World(torch.device(bench.device)))
    pretrain(unit.plan, place, folder, _shown(told))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # three times the weights, and of no use any more


def _head(unit: Heading, bench: Bench, told: Told) -> None:
    run, folder = bench.root / Encoding.under / unit.run, folder_of(bench.root, unit)
    store = Store(bench.store)
    cache = run / FOLDER
    if unit.kind == "own":
        if not runs.has_head(run):
            return  # the method trains none: nothing to test
        model = _model(run, store, bench.device)
    else:
        if unit.kind == "probe":
            probe_run(run, store, folder, unit.split, rule=_RULE, cache=cache, device=bench.device)
        elif not runs.is_done(folder):
            finetune_run(
                run, store, folder, unit.split, unit.tuning,
                rule=_RULE, from_probe=True, cache=cache, device=bench.device, show=_shown(told),
            )  # fmt: skip
        model = _model(folder, store, bench.device)
    assign([model], unit.test, unseen=False)  # refuses a fold that anything in the chain has seen
    rows = labelled_rows(store, unit.test, model.leads, sources=unit.split.sources)
    probabilities = scores_of(model, store, rows)
    write_arrays(
        folder / SCORES, rows=rows, probabilities=probabilities, found=probabilities >= model.thresholds[None]
    )


def _model(folder: Path, store: Store, device: str) -> RunModel:
    """A run as what is tested, with the calibration and thresholds that its validation folds gave."""
    run = load_run(folder)
    return RunModel(run, decided(run, store, (), _RULE), device)


def _match(unit: Matching, bench: Bench) -> None:
    run, teacher = (bench.root / Encoding.under / name for name in (unit.run, unit.teacher))
    store = Store(bench.store)
    training, tested = (
        labelled_rows(store, folds, LEADS, sources=unit.split.sources) for folds in (unit.split.folds, unit.test)
    )
    ranks = ranks_of(
        runs.load_encoder(run),
        runs.load_encoder(teacher, leads=LEADS),
        store,
        training,
        tested,
        cache=run / FOLDER,
        teacher_cache=teacher / FOLDER,
        device=bench.device,
    )
    write_arrays(folder_of(bench.root, unit) / RANKS, rows=tested, ranks=ranks)


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Arrays into one file, all of it or none; makes the folder."""
    data = io.BytesIO()
    np.savez(data, allow_pickle=False, **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise runs.RunError(f"cannot make the folder {path.parent}: {error.strerror}") from None
    runs.write_file(path, data.getvalue())


def _finish(unit: Unit, root: Path, seconds: float) -> None:
    folder = folder_of(root, unit)
    folder.mkdir(parents=True, exist_ok=True)
    said = {"name": unit.name, "needs": unit.needs, "seconds": round(seconds, 3), "revision": revision()}
    runs.write_file(folder / DONE, (json.dumps(said, indent=2) + "\n").encode())


def _shown(told: Told) -> Callable[[Progress], None]:
    lines = Lines()  # into the log

    def show(progress: Progress) -> None:
        lines(progress)
        told()

    return show
