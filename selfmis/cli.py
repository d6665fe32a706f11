"""`selfmis COMMAND …`: finds the module of a command, imports it, and hands the rest of the line over."""

import difflib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from selfmis import __version__
from shared.errors import SelfmisError


@dataclass(frozen=True, slots=True)
class Command:
    """A command's name as typed, the module whose ``main(argv)`` it is, and its one-line summary."""

    name: str
    module: str
    summary: str


COMMANDS: tuple[Command, ...] = (
    Command("config", "selfmis.config", "print the settings in force and where each came from"),
    Command("redis", "deploy.redis", "run the embedded Redis server, or see or stop it"),
    Command("simulate", "services.ingest.simulate", "write simulated recordings as a data set"),
    Command(
        "ingest gateway", "services.ingest.gateway.command", "take frames from devices over HTTP and WebSocket"
    ),
    Command("ingest replay", "services.ingest.replay", "stream recordings into Redis: WFDB, CSV, NumPy"),
    Command("ingest run", "services.ingest.run", "stream the ward of a scenario file into Redis"),
    Command("prepare", "training.prepare.__main__", "recordings into a store that trains fast"),
    Command("pretrain", "training.pretrain.command", "train an encoder: SelfMIS, its yardsticks, a teacher"),
    Command("methods", "training.catalogue", "the methods of pretrain: what each needs, and its options"),
    Command("lead", "training.lead", "a student of any lead, for another lead"),
    Command("probe", "training.probe.command", "what an encoder knows: a linear model on its embedding"),
    Command("finetune", "training.finetune.command", "from a probe on: head and encoder learn together"),
    Command("evaluate", "training.evaluate.command", "figures, tables and plots on records not seen before"),
    Command("compare", "training.compare.command", "many methods, seeds and folds side by side, one table"),
    Command("export", "training.export.command", "a trained run into the model folder that serving loads"),
    Command("export again", "training.export.again", "a model folder's graph made anew from its own weights"),
    Command("recipe", "selfmis.recipe", "the commands of a recipe file, from recordings to a model folder"),
    Command("model", "selfmis.model", "check a model folder and print what it is"),
    Command("model precision", "benchmarks.precision", "what reduced precision costs a model, for its manifest"),
    Command("alarms tune", "benchmarks.alarm_tuning", "pick alarm rules on scored replays, by a stated target"),
    Command(
        "alarms streams", "benchmarks.model_on_streams", "a model's alarms on streams: recordings and simulator"
    ),
    Command("alarms burden", "benchmarks.burden", "a model's alarms on hand-held recordings of another device"),
    Command("alerts export", "services.inference.export.command", "committed alerts and audit as WFDB and FHIR"),
    Command("webhook", "services.inference.webhook.command", "post each alert, signed, to those who asked for it"),
    Command("plan", "deploy.plan.command", "how many cores, shards and Redis servers some patients take"),
    Command("doctor", "deploy.doctor.command", "look a deployment over and say what to do"),
    Command("demo", "deploy.demo.command", "a simulated ward on this machine, watched live"),
    Command("bench api", "benchmarks.api", "how soon the views of a whole ward are answered"),
    Command("bench alarms", "benchmarks.alarms", "cost of the alarm rules per window"),
    Command(
        "bench capacity", "benchmarks.capacity", "how many patients this machine holds, at what cost a window"
    ),
    Command("bench codec", "benchmarks.codec", "speed of the record-batch codec"),
    Command("bench commit", "benchmarks.commit", "what one commit of a shard costs, by patients updated"),
    Command("bench docs", "benchmarks.docs", "render docs/benchmarks.md, measuring anew if wanted"),
    Command("bench encoder", "benchmarks.encoder", "size and speed of the encoders"),
    Command("bench engine", "benchmarks.engine", "windows a second by runtime and precision"),
    Command(
        "bench faults", "benchmarks.faults.command", "all goes wrong at random times; what is lost or doubled"
    ),
    Command("bench fuzz", "benchmarks.fuzz.command", "bad input at every door, and how clearly it is refused"),
    Command("bench gateway", "benchmarks.gateway", "requests and frames a second through one gateway"),
    Command("bench ingest", "benchmarks.ingest", "how many patients one ingest process streams, at what cost"),
    Command("bench memory", "benchmarks.memory", "what a patient costs Redis in memory"),
    Command("bench ownership", "benchmarks.ownership", "balance, moving and take-over of ten thousand shards"),
    Command("bench peers", "benchmarks.peers.command", "the same job with bytewax, Ray Serve requests and others"),
    Command("bench polarity", "benchmarks.polarity", "is a lead that is upside down found"),
    Command("bench quality", "benchmarks.quality", "how well the quality gate tells noise from ECG"),
    Command("bench realism", "benchmarks.realism", "simulated against real recordings, wave by wave"),
    Command("bench scrape", "benchmarks.scrape", "what one scrape of /metrics costs, by shards and patients"),
    Command("bench signal", "benchmarks.signal", "cost of resampling, band-pass and quality gate"),
    Command("bench store", "benchmarks.store", "how fast the training store is made and read"),
    Command(
        "bench failover", "benchmarks.failover", "what Redis confirmed and a fail-over loses, and for how long"
    ),
    Command(
        "bench served", "benchmarks.served", "a crowd on Ray Serve as the product runs it, Ray's own cost apart"
    ),
    Command("bench takeover", "benchmarks.takeover", "how soon another owner commits after a kill"),
    Command(
        "bench train",
        "benchmarks.train",
        "what Ray Train costs over a plain loop, and what more workers bring",
    ),
    Command("bench windows", "benchmarks.windows", "cost of cutting windows"),
)

_HELP = ("-h", "--help", "help")


def usage() -> str:
    """The list of commands, one a line."""
    width = max(len(c.name) for c in COMMANDS)
    lines = [f"  {c.name:<{width}}  {c.summary}" for c in COMMANDS]
    return "\n".join(
        [
            "usage: selfmis COMMAND [options]",
            "",
            "Monitors many single-lead ECGs for myocardial infarction. Research use only, not a medical device.",
            "",
            *lines,
            "",
            "`selfmis COMMAND --help` explains a command; `selfmis --version` prints the version.",
        ]
    )


def find(argv: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """The command that ``argv`` begins with, and the arguments left for it; two-word names come first."""
    by_name = {c.name: c for c in COMMANDS}
    for words in (2, 1):
        name = " ".join(argv[:words])
        if len(argv) >= words and name in by_name:
            return by_name[name], argv[words:]
    group = [c.name for c in COMMANDS if c.name.startswith(f"{argv[0]} ")]
    if group:
        raise SelfmisError(f"{argv[0]} needs one of: {', '.join(n.split()[1] for n in group)}")
    near = difflib.get_close_matches(" ".join(argv[:2]), by_name, n=1) or difflib.get_close_matches(
        argv[0], by_name, n=1
    )
    hint = f"did you mean {near[0]}?" if near else "`selfmis --help` lists the commands"
    raise SelfmisError(f"no command {argv[0]!r}; {hint}")


def _main(argv: Sequence[str]) -> int:
    if not argv or argv[0] in _HELP:
        print(usage())
        return 0
    if argv[0] == "--version":
        print(f"selfmis {__version__}")
        return 0
    command, rest = find(argv)
    module = importlib.import_module(command.module)
    code: int = module.main(rest)
    return code


def main() -> int:
    """Entry point of the console script."""
    try:
        from shared.command import run  # takes a moment, in which somebody may change their mind
    except KeyboardInterrupt:
        return 130
    return run(_main, sys.argv[1:])
