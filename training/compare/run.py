"""A comparison from start to end: lay the grid out, train what is missing, write results and pictures."""

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.command import ANSWER_IS_NO, DONE
from shared.encoder import names
from shared.frames import LEADS
from training import runs
from training.cluster import cluster
from training.compare.arm import CompareError, parse_arm, parse_common
from training.compare.board import Board
from training.compare.grid import Grid, Laid, lay_out
from training.compare.heads import HEADS
from training.compare.plots import pictures
from training.compare.results import results_of
from training.compare.schedule import Schedule
from training.compare.splits import Folds, rotations
from training.compare.spread import here, over_ray
from training.compare.table import markdown
from training.compare.units import is_done
from training.compare.work import Bench
from training.finetune.plan import Tuning
from training.folds import parse_folds
from training.locked import locked
from training.store import Store


def compare(chosen: argparse.Namespace, argv: Sequence[str]) -> int:
    """Do what the arguments, typed as ``argv``, ask for; gives the exit code."""
    grid = grid_of(chosen)
    against = _yardstick(chosen.against, grid)
    store = Store(grid.store)
    laid = lay_out(grid, store)
    left = [unit for unit in laid.units if not is_done(grid.root, unit)]
    if chosen.dry_run:
        for unit in laid.units:
            print(f"{'to do' if unit in left else 'done '}  {unit.name}")
        return DONE
    with _alone(grid.root):
        failures = {} if chosen.report_only else _train(laid, chosen)
        results = results_of(
            laid,
            store,
            against=against,
            draws=chosen.draws,
            seed=0,
            failures=failures,
            command=f"selfmis compare {shlex.join(argv)}",
        )
        _write(grid.root, chosen.json, results)
    print(f"{grid.root / 'results.md'}: {len(results['rows'])} rows, {results['data']['records']:,} records")
    return ANSWER_IS_NO if failures else DONE


def grid_of(chosen: argparse.Namespace) -> Grid:
    """The grid that was asked for."""
    for name, given, known in (
        ("lead", chosen.leads, LEADS),
        ("encoder", chosen.encoders, names()),
        ("head", chosen.heads, HEADS),
    ):
        for one in given:
            if one not in known:
                raise CompareError(f"no {name} {one!r:.40}; there are {', '.join(known)}")
    splits = (
        (Folds(parse_folds(chosen.train), parse_folds(chosen.validate), parse_folds(chosen.test)),)
        if chosen.folds is None
        else rotations(parse_folds(chosen.folds), chosen.rotations)
    )
    changes, common = parse_common(chosen.common)
    base: dict[str, Any] = {key: getattr(chosen, key) for key in ("epochs", "batch", "lr", "keep", "statements")}
    return Grid(
        store=chosen.store.resolve(),
        root=chosen.out.resolve(),
        arms=tuple(parse_arm(text, common) for text in chosen.methods),
        splits=splits,
        seeds=chosen.seeds,
        leads=chosen.leads,
        encoders=chosen.encoders,
        shares=chosen.labels,
        heads=chosen.heads,
        teacher=parse_arm(chosen.teacher, common),
        teacher_seed=chosen.teacher_seed,
        base=base | changes,
        tuning=Tuning(epochs=chosen.finetune_epochs),
        sources=tuple(chosen.source),
    )


def _yardstick(asked: str | None, grid: Grid) -> str:
    """The arm to compare with. Refuses one that was asked for and is not in the grid: no row would differ."""
    if asked is None:
        return "supervised"
    title = parse_arm(asked).title
    if title not in (titles := [arm.title for arm in grid.arms]):
        raise CompareError(f"--against {title}: it is not among --methods, which are {', '.join(titles)}")
    return title


def _train(laid: Laid, chosen: argparse.Namespace) -> Mapping[str, str]:
    """Do what is left; gives why what failed did."""
    grid = laid.grid
    found = {unit.name for unit in laid.units if is_done(grid.root, unit)}
    left = [unit for unit in laid.units if unit.name not in found]
    schedule = Schedule(laid.units, found)
    board = Board(left, grid.root, len(found))
    bench = Bench(root=grid.root, store=grid.store, threads=chosen.threads)
    try:
        if not left:
            pass
        elif chosen.plain:
            device = "cuda" if chosen.gpus else "cpu"
            here(schedule, dataclasses.replace(bench, device=device), board)
        else:
            with cluster():
                gpus = _gpus(chosen.gpus, chosen.threads)
                bench = dataclasses.replace(bench, device="cuda" if gpus else "cpu")
                over_ray(schedule, bench, board, gpus=gpus, at_once=chosen.at_once)
    except KeyboardInterrupt:
        print("\nselfmis: interrupted; what is done is kept, and the same command goes on", file=sys.stderr)
        raise
    return schedule.failures


def _gpus(asked: float | None, threads: int) -> float:
    """Of a GPU for each trial: as asked, else one if the cluster has any.

    Refuses what the cluster does not have: Ray would wait for a larger one, silently, for ever.
    """
    import ray  # noqa: PLC0415 - takes a second, and a plain run needs none

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
    if threads > resources.get("CPU", 0.0):
        raise CompareError(f"--threads {threads}: the Ray cluster has {resources.get('CPU', 0.0):g} processors")
    there = resources.get("GPU", 0.0)
    if asked is None:
        return 1.0 if there >= 1 else 0.0
    if asked > there:
        raise CompareError(f"--gpus {asked:g}: the Ray cluster has {there:g}")
    return asked


def _write(root: Path, json_file: Path | None, results: Mapping[str, Any]) -> None:
    text = (json.dumps(results, indent=2, allow_nan=False) + "\n").encode()
    for path in filter(None, (root / "results.json", json_file)):
        runs.write_file(path, text)
    runs.write_file(root / "results.md", markdown(dict(results)).encode())
    for name, data in pictures(results["rows"]).items():
        runs.write_file(root / name, data)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """The folder of the comparison, made if need be, and no other command in it."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompareError(f"cannot write {root}: {error.strerror}") from None
    with locked(root, CompareError, taken="is in use by another comparison: wait for it, or give another --out"):
        yield
