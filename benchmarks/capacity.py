"""`selfmis bench capacity`: how many patients this machine holds, how late, and what each window costs.

All real processes: Redis with its append-only file on, `selfmis ingest run` with a crowd at one frame of 100
samples a second and patient, and replicas that run the pull loop (without Ray, which adds nothing per window).
Costs are processor time, so that what runs beside hardly counts; latency and what is *held* need a quiet machine.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.curve import curve, picture, turn_us
from benchmarks.load import Level, Overwhelmed, Setup, measure
from benchmarks.report import json_argument, present
from benchmarks.search import highest
from benchmarks.untrained import untrained
from shared.artefact import load
from shared.command import Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError

FIRST, GRID, MOST = 1_000, 1_000, 1_000_000
MOST_UNEXPLAINED = 0.05
# Of a core: going round and being measured takes so much of replicas that have next to nothing to do.
NEXT_TO_NOTHING = 0.005


def main(argv: Sequence[str]) -> int:
    """Stream a crowd through ingest, Redis and replicas: search the most patients held, or measure levels."""
    parser = Parser(prog="selfmis bench capacity", description=main.__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--search", action="store_true", help="search the most patients held (the default)")
    what.add_argument("--patients", type=int, help="measure this many only")
    what.add_argument("--curve", type=_levels, metavar="N,N,…", help="measure each of these")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured time a level (default %(default)s)")
    parser.add_argument("--limit", type=float, default=1.0, help="p99 latency allowed, s (default %(default)s)")
    parser.add_argument(
        "--first", type=int, default=FIRST, help="where a search begins and then doubles (default %(default)s)"
    )
    parser.add_argument(
        "--grid", type=int, default=GRID, help="a search tries multiples of this (default %(default)s)"
    )
    parser.add_argument(
        "--replicas", type=int, default=0, help="processes; default: the cores over engine.threads"
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="model folder; default: the small one, untrained"
    )
    parser.add_argument("--png", type=Path, metavar="FILE", help="also draw the levels that were measured")
    settings_arguments(parser)
    json_argument(parser)
    arguments = parser.parse_args(argv)
    settings = settings_from(arguments)
    if arguments.seconds < 5 or arguments.limit <= 0 or arguments.replicas < 0:
        raise SelfmisError("bench capacity: at least 5 seconds, a limit above 0 and no negative replicas")
    if arguments.patients is not None and arguments.patients < 1:
        raise SelfmisError("bench capacity: at least one patient is needed")
    if not (1 <= arguments.grid <= MOST and 1 <= arguments.first <= MOST):
        raise SelfmisError(f"bench capacity: --first and --grid are 1 to {MOST:,}")
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        model = load(arguments.model) if arguments.model else untrained(Path(folder) / "model")
        setup = Setup(
            model=model.folder,
            settings=settings,
            replicas=arguments.replicas or max(1, cores // settings.engine.threads),
            seconds=arguments.seconds,
            limit_s=arguments.limit,
        )
        if arguments.patients:
            levels = [level(setup, arguments.patients)]
        elif arguments.curve:
            levels = several(setup, arguments.curve)
        else:
            levels = search(setup, arguments.first, arguments.grid)
    best = max(levels, key=lambda each: (each.held, each.patients))
    figures: dict[str, object] = {
        "model": str(arguments.model) if arguments.model else "untrained small",
        "cores": cores,
        "replicas": setup.replicas,
        "shards": settings.stream.shards,
        "ray": "none: plain processes",
        **({"seconds": arguments.seconds} if arguments.curve else best.figures()),
    }
    if not arguments.patients:
        figures |= curve(levels)
    if arguments.curve:
        figures |= turn_us(levels, settings.stream.shards)
    present("patients through ingest, Redis, replicas and model", figures, arguments.json)
    if arguments.png is not None:
        _draw(arguments.png, picture(levels, arguments.limit))
    if settings.engine.threads == 1:  # of several, only the one that asks the model is a stage's
        check_profile(best)
    return 0


def search(setup: Setup, first: int = FIRST, grid: int = GRID) -> list[Level]:
    """Levels that double until one is not held, then halve the gap. Refuses where not even the first is held."""
    tried: list[Level] = []

    def held(patients: int) -> bool:
        found = _tried(setup, patients)
        if found is None:
            return False
        tried.append(found)
        return found.held

    if not highest(held, first=first, grid=grid, most=MOST):
        raise SelfmisError("bench capacity: not even the first level is held, see above: lower --first")
    return tried


def several(setup: Setup, patients: Sequence[int]) -> list[Level]:
    """Each of these levels, but for those at which nothing came through. Refuses where that is all of them."""
    found = [each for each in (_tried(setup, number) for number in patients) if each is not None]
    if not found:
        raise SelfmisError("bench capacity: no level could be measured, see above: ask for fewer patients")
    return found


def _tried(setup: Setup, patients: int) -> Level | None:
    """A level, or after a word about it none where nothing came through."""
    try:
        return level(setup, patients)
    except Overwhelmed as error:
        print(f"{patients:,} patients: NOT held, {error}", flush=True)
        return None


def check_profile(found: Level) -> None:
    """The stages must explain the processor time of the replicas, or the profile says nothing."""
    share = found.costs.unexplained_share
    cores = found.costs.rest_us * found.windows_per_s / 1e6
    if abs(share) > MOST_UNEXPLAINED and abs(cores) > NEXT_TO_NOTHING:
        raise SelfmisError(
            f"bench capacity: {share:.1%} of the replicas' processor time is in no stage of the profile;"
            f" at most {MOST_UNEXPLAINED:.0%} may be"
        )


def _draw(file: Path, png: bytes) -> None:
    try:
        file.write_bytes(png)
    except OSError as error:
        raise SelfmisError(f"cannot write {file}: {error.strerror}") from None


def _levels(text: str) -> list[int]:
    """Numbers of patients, apart by commas."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} are no numbers of patients: write 1000,2000,5000")
    return [int(part) for part in parts]


def level(setup: Setup, patients: int) -> Level:
    """One level in a folder of its own, with a word about it."""
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        found = measure(setup, Path(folder), patients)
    print(found.line(), flush=True)
    return found


if __name__ == "__main__":
    raise SystemExit(run(main))
