"""`selfmis bench faults`: all goes wrong at random, seeded times; nothing may be lost, doubled or miscounted."""

import json
import secrets
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import numpy as np

from benchmarks.faults.expected import entries, expected
from benchmarks.faults.house import SOURCE, Build, House
from benchmarks.faults.plan import KINDS, Moment, moments, possible
from benchmarks.faults.run import Story, log_of, shares, through
from benchmarks.faults.soak import FULL, sample, soak
from benchmarks.faults.verdict import Verdict, against_log, judge
from benchmarks.faults.watch import by_kind
from benchmarks.report import json_argument, present
from benchmarks.untrained import untrained
from services.inference.engine import open_engine
from services.inference.monitor.elapsed import SILENCE, elapsed_of
from services.ingest.synthetic import case, simulate
from shared.artefact import Model, load
from shared.command import ANSWER_IS_NO, DONE, Parser, run, settings_arguments
from shared.errors import SelfmisError
from shared.sections import EngineSettings

# Take-over in seconds, not in tens of them: so more can go wrong in a run. What users set with --set comes after.
FIXED = (
    "stream.shards=16",
    "monitor.lease_s=2",
    "monitor.heartbeat_s=0.4",
    "monitor.alerts_max=1000000",
    "redis.timeout_s=2",
    "ingest.metrics_port=0",
    # So that what goes wrong makes silence heard.
    "alarm.stream_lost_s=4",
    "alarm.gather_s=1",
    "alarm.smoothing=1",
    "alarm.on_windows=2",
    "alarm.of_windows=3",
    "alarm.off_windows=2",
    "alarm.refractory_s=10",
    "alarm.escalate_after_s=20",
)
# Streams are trimmed as early as may be, so that what is trimmed too early shows.
TRIMMED, KEPT = ("stream.replay_horizon_s=1",), ("stream.replay_horizon_s=86400",)
LEAST_S = 15.0
_QUANTILES = {"off": 0.35, "low": 0.5, "medium": 0.75, "high": 0.9}


def main(argv: Sequence[str]) -> int:
    """Stream patients through real processes while all goes wrong; compare what is committed with the samples."""
    parser = Parser(prog="selfmis bench faults", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="of streaming (default %(default)s)")
    parser.add_argument("--seed", type=int, help="of the plan (default: a random one, printed)")
    parser.add_argument("--patients", type=int, default=2000, help="(default %(default)s)")
    parser.add_argument("--replicas", type=int, default=2, help="of the monitor (default %(default)s)")
    parser.add_argument("--serve", action="store_true", help="replicas under Ray Serve instead of plain processes")
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORDS", help="kinds whose name holds this; repeatable"
    )
    parser.add_argument("--within", type=float, default=2.5, help="live means this near (s, default %(default)s)")
    parser.add_argument("--first", type=float, metavar="S", help="when the first comes (default: once live)")
    parser.add_argument(
        "--soak", action="store_true", help="no faults: MB an hour that each process grows; fails where one does"
    )
    parser.add_argument(
        "--leak",
        type=float,
        default=0.0,
        metavar="MB",
        help="with --soak: the first replica grows by so much an hour, to see the soak fail",
    )
    parser.add_argument(
        "--keep-log", action="store_true", help="trim nothing, and hold the counters of deliveries against the log"
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="model folder; default: the small one, untrained"
    )
    settings_arguments(parser)
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.seconds < LEAST_S or arguments.patients < 10 or arguments.replicas < 1:
        raise SelfmisError(f"bench faults: at least {LEAST_S:g} seconds, 10 patients and a replica")
    if arguments.leak and (arguments.serve or not arguments.soak):
        raise SelfmisError("bench faults: --leak goes with --soak, and not with --serve")
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="selfmis-faults-") as folder:
        model = load(arguments.model) if arguments.model else untrained(Path(folder) / "model")
        build = Build(
            folder=Path(folder),
            scenario=scenario(arguments.patients, seed),
            model=model.folder.resolve(),
            overrides=(
                *FIXED,
                *(KEPT if arguments.keep_log else TRIMMED),
                *(FULL if arguments.soak else thresholds(model)),
                *arguments.set,
            ),
            seconds=arguments.seconds,
            patients=arguments.patients,
            replicas=arguments.replicas,
            serve=arguments.serve,
            disk_mb=128 + round(arguments.patients * arguments.seconds / 500),
            maxmemory_mb=1024 + arguments.patients // 25,
            measured=arguments.soak,
            leak_mb_per_h=arguments.leak,
        )
        settings = build.settings
        print(f"seed {seed}, {build.patients:,} patients, {build.seconds:g} s", flush=True)
        with House(build) as house:
            more: dict[str, object]
            if arguments.soak:
                story, soaked = soak(house, _say)
                flat, more = soaked.good, soaked.figures()
            else:
                plan, skipped = planned(house, seed, arguments.only)
                story = through(house, plan, _say, within_s=arguments.within, first_s=arguments.first)
                flat, more = True, {"skipped": skipped}
            log = log_of(house) if arguments.keep_log else None
        engine = open_engine(load(build.model), settings.engine)
        only = None
        if arguments.soak:
            only = sample(settings.stream.shards, shares(story.committed, "windows|"), seed)
            more["shards_compared"] = len(only)
        _say("running the same samples again, without faults …")
        made = entries(build.scenario, story.run, build.seconds, settings, only)
        found = story.committed if only is None else [story.committed[shard] for shard in only]
        elapsed = [elapsed_of(json.loads(body) for _, body in one.alerts) for one in found]
        wanted = expected(made, settings, engine, elapsed, only)
        verdict = judge(found, wanted, alerts_kept=settings.monitor.alerts_max if arguments.soak else None)
        if log is not None:
            verdict.deliveries = against_log(found, expected(log, settings, engine, elapsed, only))
            more["deliveries_unlike"] = verdict.deliveries
        figures = figures_of(build, seed, story, verdict) | more
    present("faults: the committed facts against the generated samples", figures, arguments.json)
    for example in verdict.examples:
        print(f"  {example}")
    return DONE if verdict.good and flat else ANSWER_IS_NO


def planned(house: House, seed: int, only: Sequence[str]) -> tuple[Iterator[Moment], list[str]]:
    """The plan for what this machine can do, and the names of what it cannot, each told in a line."""
    kinds, skipped = possible(house.there, only)
    if not kinds and not skipped:
        raise SelfmisError(f"bench faults: no kind is called so; there are {', '.join(k.name for k in KINDS)}")
    for kind in skipped:
        _say(f"skipped, for want of {', '.join(sorted(kind.needs - house.there))}: {kind.name}")
    return moments(seed, kinds, house.build.settings.monitor.lease_s), [kind.name for kind in skipped]


def figures_of(build: Build, seed: int, story: Story, verdict: Verdict) -> dict[str, object]:
    """For people and programs."""
    return {
        "mode": "serve" if build.serve else "plain",
        "seed": seed,
        "seconds": build.seconds,
        "patients": build.patients,
        "replicas": build.replicas,
        "windows": shares(story.committed, "windows|"),
        "alerts": shares(story.committed, "alerts|"),
        "silences": sum(shares(story.committed, f"alerts|{kind}|") for kind in SILENCE),
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "changed": verdict.changed,
        "counters_equal": not verdict.counters,
        "counters_unlike": {name: list(pair) for name, pair in sorted(verdict.counters.items())},
        "faults": dict(sorted(story.faults.items())),
        "recovery_s": by_kind(story.recoveries),
        "restarts": story.restarts,
        "gave_up": story.gave_up,
        "redis_log_bytes_cut": story.bytes_cut,
    }


def scenario(patients: int, seed: int) -> str:
    """A ward with a bit of everything that decides over windows and alarms; most of it a crowd."""
    few = max(2, patients // 100)
    return f"""
name: {SOURCE}
seed: {seed}
rates_hz: [100, 125]
begin_over_s: 5
network: {{loss: 0.002, duplication: 0.01, reorder: 0.02, delay_s: 0.8}}
patients:
  - {{kind: IMI, count: {few}, onset_s: [5, 30], evolution: 600}}
  - {{kind: NORM, count: {few}, effects: [{{type: lead_off, start_s: 12, stop_s: 50}}]}}
  - {{crowd: {max(1, patients - 2 * few)}, together: {max(5, patients // 20)}}}
"""


def thresholds(model: Model) -> list[str]:
    """Alarm thresholds in the midst of what this model says, whatever it is worth, so that alarms come and go."""
    kinds = ("NORM", "IMI", "AFIB", "AMI", "PVC", "LVH", "STACH", "CLBBB")
    strips = np.stack([simulate(case(kind, 9, i), 100, 1000) for i, kind in enumerate(kinds * 8)])
    engine = open_engine(model, EngineSettings())
    any_mi = engine(strips.astype(np.float32))[:, -1]
    levels = np.quantile(any_mi, list(_QUANTILES.values()))
    return [f"alarm.{name}={level:.6f}" for name, level in zip(_QUANTILES, levels, strict=True)]


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    raise SystemExit(run(main))
