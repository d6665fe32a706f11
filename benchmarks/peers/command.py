"""`selfmis bench peers`: what the same work costs with other plumbing, and what a `kill -9` costs there.

Every peer is measured at the same number of patients where it holds them, else at half as many, and so on; then it
is run again and killed in the midst. Costs are processor time, so that what runs beside hardly counts; what is
*held* needs a quiet machine. docs/peers.md says what is fair about it and what is not.
"""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.load import Setup
from benchmarks.peers import measure
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.job import Job
from benchmarks.report import json_argument, write_json
from benchmarks.untrained import untrained
from services.inference.engine import Engine, open_engine
from shared.artefact import load
from shared.command import Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError
from shared.ports import free_port

NAMES = ("ours", "bytewax", "serve_http", "serve_handle", "consumer_group", "quix")
PACKAGES = {"bytewax": "bytewax", "quix": "quixstreams"}
SHOWN = ("patients", "held", "windows_per_s", "overhead_us_per_window", "p99_latency_s", "rss_mb", "mean_batch")
SHOWN_HARMED = ("killed", "lost", "doubled", "stopped", "stopped_lost", "stopped_doubled")
# Where a second one can take over from one that stands still. A bytewax cluster has no such thing, and the feeders
# of Serve are the consumer group's worker.
OVERTAKEN = ("ours", "consumer_group")


def main(argv: Sequence[str]) -> int:
    """Our monitor and what users would pick instead, on the same frames, windows, model and alarm rule."""
    parser = Parser(prog="selfmis bench peers", description=main.__doc__)
    parser.add_argument(
        "--patients", type=int, default=2_000, help="tried first, then halved (default %(default)s)"
    )
    parser.add_argument("--least", type=int, default=50, help="no fewer than so many (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="measured time a level (default %(default)s)")
    parser.add_argument("--limit", type=float, default=1.0, help="p99 latency allowed, s (default %(default)s)")
    parser.add_argument(
        "--crash-patients", type=int, default=200, help="patients in the run with the kill; 0: no such run"
    )
    parser.add_argument("--replicas", type=int, default=0, help="workers; default: the cores over engine.threads")
    parser.add_argument("--only", choices=NAMES, action="append", help="this peer only; repeatable")
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="model folder; default: the small one, untrained"
    )
    settings_arguments(parser)
    json_argument(parser)
    arguments = parser.parse_args(argv)
    settings = settings_from(arguments)
    if arguments.seconds < 5 or arguments.limit <= 0 or arguments.replicas < 0 or arguments.crash_patients < 0:
        raise SelfmisError("bench peers: at least 5 seconds, a limit above 0, no negative replicas or patients")
    if not 1 <= arguments.least <= arguments.patients:
        raise SelfmisError("bench peers: --patients must be at least --least, and that at least 1")
    cores = len(os.sched_getaffinity(0))
    found: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        model = load(arguments.model) if arguments.model else untrained(Path(folder) / "model")
        setup = Setup(
            model=model.folder,
            settings=settings,
            replicas=arguments.replicas or max(1, cores // settings.engine.threads),
            seconds=arguments.seconds,
            limit_s=arguments.limit,
        )
        engine = open_engine(model, settings.engine)
        for name in arguments.only or NAMES:
            found[name] = one(name, setup, engine, arguments.patients, arguments.least, arguments.crash_patients)
            print(f"{name}: {json.dumps(found[name])}", flush=True)
    Console(stderr=arguments.json == "-").print(table(found))
    if arguments.json is not None:
        write_json(found, arguments.json)
    return 0


def one(name: str, setup: Setup, engine: Engine, patients: int, least: int, crashing: int) -> dict[str, object]:
    """One peer's figures, or why there are none."""
    package = PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        return {"why_not": f"{package} is not installed: pip install 'selfmis-monitor[bench]'"}
    if name == "quix":
        from benchmarks.peers import quix_peer  # noqa: PLC0415 - optional

        return {"why_not": quix_peer.why_not()}
    peer = _peer(name)

    def level(amount: int) -> measure.Measured:
        with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
            if peer is None:
                return measure.ours(setup, Path(folder), amount)
            return measure.theirs(setup, Path(folder), amount, peer, engine)

    found: dict[str, object] = asdict(measure.search(level, patients, least))
    if crashing:
        found |= {"crash_patients": crashing, **_harmed(setup, engine, crashing, peer, kill=True)}
        found["killed"] = found.pop("hit")
        if name in OVERTAKEN:
            harmed = _harmed(setup, engine, crashing, peer, kill=False)
            found["stopped"] = harmed.pop("hit")
            found |= {f"stopped_{what}": amount for what, amount in harmed.items()}
    return found


def _harmed(
    setup: Setup, engine: Engine, patients: int, peer: measure.Peer | None, *, kill: bool
) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        if peer is None:
            return asdict(measure.harm_ours(setup, Path(folder), patients, engine, kill=kill))
        fault: measure.Fault = Fleet.crash if kill else Fleet.overtake
        return asdict(measure.harm_theirs(setup, Path(folder), patients, peer, engine, fault))


def _peer(name: str) -> measure.Peer | None:
    """How the processes of a peer are started; None for ours."""
    return {
        "ours": None,
        "bytewax": _bytewax,
        "serve_http": _serve("http"),
        "serve_handle": _serve("handle"),
        "consumer_group": _pool,
    }[name]


def _pool(job: Job, folder: Path) -> Fleet:
    file = job.write(folder / "job.json")
    start = [sys.executable, "-m", "benchmarks.peers.pool", file]
    return Fleet("consumer_group", [[*start, str(number)] for number in range(job.workers)])


def _bytewax(job: Job, folder: Path) -> Fleet:
    from bytewax.recovery import init_db_dir  # noqa: PLC0415 - optional

    from benchmarks.peers import bytewax_peer  # noqa: PLC0415 - optional

    recovery = folder / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, job.workers)
    ports = [free_port() for _ in range(job.workers)]
    commands = bytewax_peer.commands(job.write(folder / "job.json"), str(recovery), ports)
    return Fleet("bytewax", commands, together=True, first="a process of the cluster")


def _serve(kind: str) -> measure.Peer:
    def start(job: Job, folder: Path) -> Fleet:
        from benchmarks.peers import serve_peer  # noqa: PLC0415 - Ray takes a second to import

        commands = serve_peer.commands(kind, job.write(folder / "job.json"), free_port(), folder / "ray-address")
        return Fleet(f"serve_{kind}", commands, serve_peer.environ(), victims=_is_replica, first="the feeder")

    return start


def _is_replica(process: Any) -> bool:
    return any("ServeReplica" in word for word in process.cmdline())


def table(found: dict[str, dict[str, object]]) -> Table:
    """A column for each peer."""
    made = Table("figure", *found, title="the same job with other plumbing", box=box.SIMPLE_HEAD)
    for name in (*SHOWN, *SHOWN_HARMED):
        values = [each.get(name, "") for each in found.values()]
        made.add_row(name, *(f"{v:,.3g}" if isinstance(v, float) else str(v) for v in values))
    for name, each in found.items():
        if "why_not" in each:
            made.add_row(f"{name}: why not", str(each["why_not"]))
    return made


if __name__ == "__main__":
    raise SystemExit(run(main))
