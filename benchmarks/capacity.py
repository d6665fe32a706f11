"""`selfmis bench capacity`: how many patients this machine holds, how late, and what each window costs.

All real processes: Redis with its append-only file on, `selfmis ingest run` with a crowd at one frame of 100
samples a second and patient, and replicas that run the pull loop (without Ray, which adds nothing per window).
Costs are processor time, so that what runs beside hardly counts; latency and what is *held* need a quiet machine.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Level, Setup, measure
from benchmarks.report import json_argument, present
from benchmarks.untrained import untrained
from shared.artefact import load
from shared.command import Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError

FIRST = 1_000
CLOSE_ENOUGH = 1.1


def main(argv: Sequence[str]) -> int:
    """Stream a crowd through ingest, Redis and replicas; search the most patients held, or measure one level."""
    parser = Parser(prog="selfmis bench capacity", description=main.__doc__)
    parser.add_argument("--patients", type=int, help="measure this many only; default: search the most held")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured time a level (default %(default)s)")
    parser.add_argument("--limit", type=float, default=1.0, help="p99 latency allowed, s (default %(default)s)")
    parser.add_argument(
        "--replicas", type=int, default=0, help="processes; default: the cores over engine.threads"
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="model folder; default: the small one, untrained"
    )
    settings_arguments(parser)
    json_argument(parser)
    arguments = parser.parse_args(argv)
    settings = settings_from(arguments)
    if arguments.seconds < 5 or arguments.limit <= 0 or arguments.replicas < 0:
        raise SelfmisError("bench capacity: at least 5 seconds, a limit above 0 and no negative replicas")
    if arguments.patients is not None and arguments.patients < 1:
        raise SelfmisError("bench capacity: at least one patient is needed")
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
        levels = [level(setup, arguments.patients)] if arguments.patients else search(setup)
    best = levels[0] if arguments.patients else max(levels, key=lambda each: (each.held, each.patients))
    figures: dict[str, object] = {
        "model": str(arguments.model) if arguments.model else "untrained small",
        "cores": cores,
        "replicas": setup.replicas,
        "ray": "none: plain processes",
        **best.figures(),
    }
    if len(levels) > 1:
        figures |= curve(levels)
    present("patients through ingest, Redis, replicas and model", figures, arguments.json)
    return 0


def search(setup: Setup) -> list[Level]:
    """Levels that double until one is not held, then halve the gap; the highest held is the answer."""
    tried = [level(setup, FIRST)]
    if not tried[0].held:
        raise SelfmisError(f"bench capacity: not even {FIRST:,} are held: {tried[0].line()}")
    while tried[-1].held:
        tried.append(level(setup, 2 * tried[-1].patients))
    held, failed = tried[-2].patients, tried[-1].patients
    while failed > held * CLOSE_ENOUGH:
        middle = (held + failed) // 2
        between = level(setup, middle)
        tried.append(between)
        held, failed = (middle, failed) if between.held else (held, middle)
    return tried


def level(setup: Setup, patients: int) -> Level:
    """One level in a folder of its own, with a word about it."""
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        found = measure(setup, Path(folder), patients)
    print(found.line(), flush=True)
    return found


def curve(levels: Sequence[Level]) -> dict[str, object]:
    """What the levels of a search show side by side: lists in the order of patients."""
    ordered = sorted(levels, key=lambda each: each.patients)
    return {
        "curve_patients": [each.patients for each in ordered],
        "curve_held": [each.held for each in ordered],
        "curve_p99_latency_s": [each.p99_latency_s for each in ordered],
        "curve_overhead_us": [round(each.costs.overhead_us_per_window, 1) for each in ordered],
        "curve_rss_mb": [round(each.rss_mb) for each in ordered],
    }


if __name__ == "__main__":
    raise SystemExit(run(main))
