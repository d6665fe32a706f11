"""`selfmis compare`: a grid of methods, seeds, folds, leads and label shares, and one table of them."""

import argparse
import dataclasses
import fcntl
import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.command import ANSWER_IS_NO, DONE, Parser
from shared.encoder import names
from shared.frames import LEADS
from training import runs
from training.cluster import cluster
from training.compare.arm import PLAN_KEYS, CompareError, parse_arm, parse_common
from training.compare.board import Board
from training.compare.grid import Grid, Laid, lay_out
from training.compare.plots import pictures
from training.compare.results import results_of
from training.compare.schedule import Schedule
from training.compare.splits import Folds, rotations
from training.compare.spread import here, over_ray
from training.compare.table import markdown
from training.compare.units import HEADS, is_done
from training.compare.work import Bench
from training.finetune.plan import Tuning
from training.folds import parse_folds
from training.methods import methods
from training.metrics.bootstrap import DRAWS
from training.pretrain.plan import Plan
from training.store import Store

_LOCK = ".lock"
_DEFAULTS = {item.name: item.default for item in dataclasses.fields(Plan)}


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = Parser(
        prog="selfmis compare",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_description(),
    )
    what = parser.add_argument_group("what to compare")
    what.add_argument("--store", type=Path, required=True, metavar="DIR", help="made by `selfmis prepare`")
    what.add_argument("--out", type=Path, default=Path("var/compare"), metavar="DIR", help="default %(default)s")
    what.add_argument("--methods", nargs="+", required=True, metavar="ARM", help="separated by spaces")
    what.add_argument("--seeds", type=_numbers, default=(0,), help="such as 0,1,2 (default 0)")
    what.add_argument("--leads", type=_words, default=("I",), help="of the students, such as I,II (default I)")
    what.add_argument("--encoders", type=_words, default=("small",), help=f"{', '.join(names())} (default small)")
    what.add_argument("--labels", type=_shares, default=(1.0,), help="shares, such as 0.01,0.1,1 (default 1)")
    what.add_argument("--heads", type=_words, default=HEADS, help=f"of {','.join(HEADS)} (default all)")
    what.add_argument(
        "--teacher", default="upper", metavar="ARM", help="for methods that need one (default %(default)s)"
    )
    what.add_argument("--teacher-seed", type=int, default=0, metavar="N", help="one teacher for all seeds (0)")
    what.add_argument("--against", default="supervised", metavar="ARM", help="the yardstick (%(default)s)")
    what.add_argument("--source", action="append", default=[], metavar="NAME", help="of the store; repeatable")
    split = parser.add_argument_group("which records: one split, or a rotation")
    split.add_argument("--folds", metavar="FOLDS", help="rotate these: each is tested once, such as 1-9")
    split.add_argument("--rotations", type=int, metavar="N", help="in so many groups (default: one a fold)")
    split.add_argument("--train", default="1-8", metavar="FOLDS", help="of one split (default %(default)s)")
    split.add_argument("--validate", default="9", metavar="FOLDS", help="of one split (default %(default)s)")
    split.add_argument("--test", default="10", metavar="FOLDS", help="of one split (default %(default)s)")
    how = parser.add_argument_group("how all arms are trained that do not say otherwise")
    for key, about in (
        ("epochs", "passes over the training records"),
        ("batch", "records in a batch"),
        ("lr", "learning rate at its top"),
        ("keep", "last or best epoch"),
    ):
        how.add_argument(
            f"--{key}", type=type(_DEFAULTS[key]), default=_DEFAULTS[key], help=f"{about} (%(default)s)"
        )
    how.add_argument(
        "--common", default="", metavar="KEY=VALUE,…", help="of all arms (and teachers) that have such an option"
    )
    how.add_argument("--statements", type=int, metavar="N", help="methods with labels learn these, too")
    how.add_argument("--finetune-epochs", type=int, default=Tuning().epochs, metavar="N", help="(%(default)s)")
    where = parser.add_argument_group("where")
    where.add_argument("--plain", action="store_true", help="one after the other in this process, without Ray")
    where.add_argument("--at-once", type=int, metavar="N", help="trials at a time (default: as many as fit)")
    where.add_argument("--threads", type=int, default=1, metavar="N", help="processors of a trial (%(default)s)")
    where.add_argument(
        "--gpus",
        type=float,
        metavar="SHARE",
        help="of a GPU for a trial, such as 0.25 (default: 1 if there are any)",
    )
    said = parser.add_argument_group("what is said")
    said.add_argument("--json", type=Path, metavar="FILE", help="results, beside OUT/results.json")
    said.add_argument("--draws", type=int, default=DRAWS, metavar="N", help="of the bootstrap (%(default)s)")
    said.add_argument("--report-only", action="store_true", help="train nothing; report what is done")
    said.add_argument("--dry-run", action="store_true", help="say what would be done")
    chosen = parser.parse_args(argv)
    for name, least in (("draws", 1), ("threads", 1), ("at_once", 1)):
        if getattr(chosen, name) is not None and getattr(chosen, name) < least:
            parser.error(f"--{name.replace('_', '-')} is {least} or more")
    if chosen.gpus is not None and not chosen.gpus >= 0:
        parser.error("--gpus is 0 or more")
    if chosen.folds is None and chosen.rotations is not None:
        parser.error("--rotations rotates --folds: name them")
    return chosen


def main(argv: Sequence[str]) -> int:
    """Train what is missing of the grid and write OUT/results.json, results.md and plots.

    Returns 1 where a part of the grid failed: it is named, and the rest is reported. Interrupted or killed, the
    same command goes on.
    """
    chosen = arguments(argv)
    grid = grid_of(chosen)
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
            against=parse_arm(chosen.against).title,
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
        lock = (root / _LOCK).open("w")
    except OSError as error:
        raise CompareError(f"cannot write {root}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CompareError(
                f"{root} is in use by another comparison: wait for it, or give another --out"
            ) from None
        except OSError as error:
            raise CompareError(f"{root} is on a file system without locks ({error.strerror})") from None
        yield


def _description() -> str:
    return "\n".join(
        [
            "Train many encoders by many methods and compare them on the same records.",
            "",
            "An ARM is METHOD[:KEY=VALUE,…][@TEACHER[:KEY=VALUE,…]]: a method, options of it or of its training",
            f"({', '.join(PLAN_KEYS)}), and a teacher",
            "other than --teacher. Run again, it does only what is missing. The methods:",
            "",
            *(f"  {method.name:<13} {method.summary}" for method in methods()),
        ]
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in _words(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"write seeds as 0,1,2, not {text!r:.40}") from None


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _words(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"write shares as 0.01,0.1,1, not {text!r:.40}") from None
