"""`selfmis bench docs`: docs/benchmarks.md from docs/benchmarks/*.json, and those from the commands.

The page is rendered, never written by hand: a number in it is one that a command printed. So is the table of
docs/scaling.md, which follows from the same figures.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.plan.costs import read
from deploy.plan.page import refreshed
from shared.command import Parser, run
from shared.errors import SelfmisError

PAGE = Path("docs/benchmarks.md")
FIGURES = Path("docs/benchmarks")
SCALING = Path("docs/scaling.md")


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark on the page: its name, the command that measures it, what it is about."""

    name: str
    arguments: tuple[str, ...]
    about: str
    needs_data: bool = False
    title: str = ""  # and the name of its figures: another than the command's, where that is shown twice
    image: str = ""  # which it draws with --png, in docs/

    @property
    def stored(self) -> str:
        """The name of its figures' file, without the suffix, and its headline."""
        return self.title or self.name

    @property
    def command(self) -> str:
        """As a person types it."""
        return " ".join(["selfmis bench", self.name, *self.asked])

    @property
    def asked(self) -> tuple[str, ...]:
        """All its arguments but ``--json``."""
        return (*self.arguments, "--png", f"docs/{self.image}") if self.image else self.arguments


DATA = "../shared/data"
SHIPPED = "models/small-lead-i"
SIXTEEN = ("--set", "stream.shards=16")  # eight a replica, as docs/scaling.md advises
QUICK = ("--set", "monitor.pace_s=0.2", *SIXTEEN)
MADE_ON = (
    "Made by `selfmis bench docs --measure` on two cores of a shared virtual machine (AMD EPYC, AVX-512-BF16);"
    " `selfmis bench docs` renders this page from the figures in `docs/benchmarks/`. Absolute numbers are this"
    " machine's; each command prints yours."
)
BENCHES: tuple[Bench, ...] = (
    Bench(
        "codec", (), "The record-batch codec, one core. Goal: 1,000,000 frames of 100 samples a second each way."
    ),
    Bench(
        "signal",
        (),
        "Resampling, filter and quality gate, microseconds of one core for a window. Goal: 40 in all; a plain"
        " SciPy call per window, measured in the same run, stands beside it.",
    ),
    Bench(
        "quality",
        ("--cinc2017", f"{DATA}/cinc2017", "--ptbxl", f"{DATA}/ptbxl", "--nstdb", f"{DATA}/nstdb"),
        "The quality gate on real recordings. Goals: AUROC of noisy against normal 0.90; acceptance falls with"
        " noise; at 24 dB at least 95 % pass; infarcts are not refused noticeably more often than normal ECGs.",
        needs_data=True,
    ),
    Bench("encoder", (), "The encoders: size and speed on one core."),
    Bench("windows", (), "Cutting windows out of frames, one core."),
    Bench(
        "engine",
        ("--model", SHIPPED),
        "The shipped model by runtime and precision, one core: which runtime serves was chosen by this.",
    ),
    Bench("alarms", (), "Alarm rules and state, one core."),
    Bench("commit", (), "One commit of a shard, by how many patients changed."),
    Bench(
        "capacity",
        ("--search", "--first", "50000", "--grid", "5000", "--seconds", "60", "--model", SHIPPED, *QUICK),
        "The most patients held: the whole way in real processes (no Ray), ingest, Redis and monitor replicas with"
        " the shipped model, on two cores. Held is a level whose p99 from a window's last sample to its commit is"
        " at most 1 s, with nothing dropped and nothing behind. The figures are those of the highest such level;"
        " the levels that were tried stand below them. Goals: 50,000 patients held, everything but the model at"
        " most 80 µs of processor time for a window. Steps begin every 0.2 s at most, where the default is 0.4 s:"
        " that costs more for a window and is sooner. Sixteen shards, eight a replica: of the default 64, which"
        " leave room for eight replicas, each has its own entries and commits: 83 µs, an hour before.",
    ),
    Bench(
        "capacity",
        ("--curve", "1000,2000,5000,10000,20000,30000,40000,50000", "--seconds", "30", "--model", SHIPPED, *QUICK),
        "The same from few patients to many: processor time, latency and memory. What a window costs must not"
        " grow with their number: `cost_last_over_first` at most 1. `turn_us` is what each turn of a shard (its"
        " entry, its read, its commit) costs, however few windows it brings.",
        title="capacity-curve",
        image="images/capacity-curve.png",
    ),
    Bench(
        "served",
        ("--patients", "30000", "--seconds", "60", *SIXTEEN),
        "The same way as the product runs it: Ray Serve's replicas, its API and its own processes (`ray_us`), with"
        " the shipped model. Latencies are upper edges of the replicas' histograms.",
    ),
    Bench(
        "peers",
        ("--patients", "2000", "--seconds", "20", "--model", SHIPPED, *SIXTEEN),
        "The same job with other plumbing ([peers.md](peers.md) says what is fair about it): each at the most of"
        " 2,000, 1,000, 500 … patients that it holds; then killed in the midst and counted. Goals: at most half of"
        " bytewax's overhead a window, 30 times the windows of a request each, and nothing lost or doubled.",
    ),
    Bench("api", (), "How soon the views of a ward of 20,000 are answered, in milliseconds, by one process."),
    Bench("scrape", (), "What one scrape of `/metrics` costs at 20,000 patients."),
    Bench(
        "takeover",
        ("--patients", "500", "--kills", "2"),
        "From the kill of a replica to another owner's commit on all its shards. Goal: the lease and two seconds.",
    ),
    Bench(
        "ingest",
        (),
        "One ingest process that streams 50,000 patients at a frame a second each into a real Redis, which a"
        " consumer reads. Goal: under one core, 99 % of frames confirmed within 0.25 s.",
    ),
    Bench(
        "gateway",
        (),
        "One gateway process on a real Redis, over 16 connections: a frame of 250 samples as JSON a request, and a"
        " hundred of them as one record batch. A request is answered when Redis has confirmed.",
    ),
    Bench("memory", (), "What a patient costs Redis in memory, asked of it: frames kept and state."),
    Bench(
        "ownership",
        ("--lease", "30"),
        "Ten thousand shards among 200 replicas, all in one process over a real Redis, without commits: what"
        " leases and heartbeats cost, how long shards of killed replicas rest (`lease_s` at"
        " best). And the pure division among a fleet of 800. Goal: under one core of Redis.",
    ),
    Bench("store", (), "Making the training store and reading it, beside the recordings themselves read by wfdb."),
    Bench(
        "fuzz",
        ("--cases", "1000000"),
        "Bad input at every door: frames, streams and states in Redis, files of people, recordings, models, runs,"
        " stores. Valid cases, bent in bytes or in what they mean. A crash is anything but being taken or one"
        " clear line: another exception, a hang, a death, half a gigabyte. Goal: none in a million cases.",
    ),
    Bench(
        "train",
        (),
        "Ray Train against the same loop without it, and several workers of one run against as many independent"
        " loops, one thread each. Goals: `ray_over_plain` at most 1.05, `two_worker_efficiency` at least 0.85. A"
        " batch norm of the workers takes as many records together as one of the loops (`--norm-records`); in"
        " `whole_norms` it takes all of the larger batch.",
    ),
)


def page(figures: Path) -> str:
    """The page from the stored figures; refuses a benchmark without any."""
    lines = [
        "# Benchmarks",
        "",
        MADE_ON,
        "",
    ]
    for bench in BENCHES:
        path = figures / f"{bench.stored}.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            table = _table(found)
        except (OSError, ValueError, RecursionError, AttributeError, TypeError):  # none, no JSON, or no figures
            raise SelfmisError(
                f"no figures in {path}: run `{bench.command} --json {path}`, or `selfmis bench docs --measure`"
            ) from None
        lines += [
            f"## {bench.stored}",
            "",
            bench.about,
            "",
            f"    {bench.command}",
            "",
            *table,
            "",
            *([f"![{bench.stored}, drawn]({bench.image})", ""] if bench.image else []),
        ]
    return "\n".join(lines)


def _table(found: dict[str, Any]) -> list[str]:
    """Figures one below the other, lists of them last; where each is a set of figures, those side by side."""
    lists = {name: value for name, value in found.items() if isinstance(value, list)}
    if lists:
        single = {name: value for name, value in found.items() if name not in lists}
        width = max(len(value) for value in lists.values())
        return [
            *_table(single),
            "",
            "| figure |" + " |" * width,
            "|---|" + "---|" * width,
            *(f"| `{name}` | {' | '.join(map(_shown, value))} |" for name, value in lists.items()),
        ]
    if not any(isinstance(value, dict) for value in found.values()):
        return [
            "| figure | value |",
            "|---|---|",
            *(f"| `{name}` | {_shown(value)} |" for name, value in found.items()),
        ]
    names = dict.fromkeys(name for each in found.values() for name in each)
    return [
        f"| figure | {' | '.join(found)} |",
        "|---|" + "---|" * len(found),
        *(
            f"| `{name}` | "
            + " | ".join(_shown(each[name]) if name in each else "" for each in found.values())
            + " |"
            for name in names
        ),
    ]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def main(argv: Sequence[str]) -> int:
    """Render docs/benchmarks.md and the table of docs/scaling.md; run in the repository's root."""
    parser = Parser(prog="selfmis bench docs", description=main.__doc__)
    parser.add_argument(
        "--measure",
        nargs="*",
        metavar="NAME",
        help="first run these benchmarks; without a name all of them: some minutes, idle machine",
    )
    arguments = parser.parse_args(argv)
    if not SCALING.is_file():
        raise SelfmisError(f"no {SCALING} here: run this in the repository's root")
    FIGURES.mkdir(exist_ok=True)
    if arguments.measure is not None:
        for bench in chosen(arguments.measure):
            measure(bench)
    PAGE.write_text(page(FIGURES), encoding="utf-8")
    print(f"{PAGE} shows {len(BENCHES)} benchmarks")
    SCALING.write_text(refreshed(SCALING.read_text(encoding="utf-8"), read(FIGURES)), encoding="utf-8")
    print(f"{SCALING} has the plans that follow")
    return 0


def chosen(names: Sequence[str]) -> list[Bench]:
    """All that go by these names, of commands or figures; without a name all; refuses a name that none has."""
    unknown = set(names) - {each for bench in BENCHES for each in (bench.name, bench.stored)}
    if unknown:
        raise SelfmisError(f"bench docs: no benchmark on the page is called {', '.join(sorted(unknown))}")
    return [bench for bench in BENCHES if not names or bench.name in names or bench.stored in names]


def measure(bench: Bench) -> None:
    """Run one benchmark and store its figures; without the recordings it needs, the stored ones stay."""
    if bench.needs_data and not Path(DATA).is_dir():
        print(f"{bench.stored}: left as it was, {DATA} is absent", flush=True)
        return
    print(f"\n$ {bench.command}", flush=True)
    command = [sys.executable, "-m", "selfmis", "bench", bench.name, *bench.asked]
    command += ["--json", str(FIGURES / f"{bench.stored}.json")]
    if subprocess.run(command, env=dict(os.environ), check=False).returncode:
        raise SelfmisError(f"`{bench.command}` failed; its words are above")


if __name__ == "__main__":
    raise SystemExit(run(main))
