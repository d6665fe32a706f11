"""`selfmis ingest replay`: stream recordings into Redis as if their patients wore devices now."""

import argparse
import hashlib
import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from services.ingest.recordings.columns import Own
from services.ingest.recordings.opening import open_recordings
from services.ingest.recordings.replay import replay_sources
from services.ingest.run import speed, write_json
from services.ingest.scenario import NAME
from services.ingest.streaming import Plan, stopped_by_signals, stream
from shared.command import ANSWER_IS_NO, DONE, Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError
from shared.redis.embedded import resolve

if TYPE_CHECKING:
    from services.ingest.recordings.noise import Noise

log = logging.getLogger(__name__)

# More than this is summed up: a folder of ten thousand broken files must not bury the rest.
PROBLEMS_SHOWN = 20


def arguments_parser() -> Parser:
    """The command line of `ingest replay`."""
    parser = Parser(prog="selfmis ingest replay", description=main.__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--wfdb", type=Path, metavar="PATH", help="a WFDB record, or a folder of them")
    what.add_argument("--csv", type=Path, metavar="PATH", help="a CSV file, or a folder of them; one patient each")
    what.add_argument("--npy", type=Path, metavar="PATH", help="a NumPy file, or a folder; one patient a row")
    parser.add_argument("--lead", default="I", help="name of the lead in the recordings (default %(default)s)")
    parser.add_argument(
        "--stands-for", metavar="LEAD", help="the standard lead it is, where its name does not say"
    )
    parser.add_argument(
        "--patients", type=int, help="how many; more than recordings reuse them (default: one each)"
    )
    parser.add_argument("--limit", type=int, help="read so many recordings at most")
    parser.add_argument("--once", action="store_true", help="stop at the end of the recordings instead of looping")
    parser.add_argument("--speed", type=speed, default=1.0, help="times real time, or max (default 1)")
    parser.add_argument(
        "--duration", type=float, metavar="S", help="seconds of patients' time (default: to the end)"
    )
    parser.add_argument("--frame", type=float, default=1.0, metavar="S", help="seconds in a frame (default 1)")
    parser.add_argument("--name", default="replay", help="of this source, for resuming (default %(default)s)")
    parser.add_argument("--new-run", action="store_true", help="begin anew instead of resuming a run cut short")
    own = parser.add_argument_group("people's own data (--csv, --npy)")
    own.add_argument("--rate", metavar="HZ", help="sampling rate; a CSV file's time column says it too")
    own.add_argument("--column", help="the column with the signal, where it is not called like the lead")
    own.add_argument("--units", help="of the numbers: mV, uV, V (default: what the heading says, else mV)")
    noise = parser.add_argument_group("added noise")
    noise.add_argument("--noise", type=Path, metavar="DIR", help="folder of the MIT-BIH noise stress test (nstdb)")
    noise.add_argument("--noise-kinds", default="em", help="comma-separated: bw, em, ma (default %(default)s)")
    noise.add_argument(
        "--snr", type=float, default=12.0, metavar="DB", help="signal to noise (default %(default)s)"
    )
    noise.add_argument("--seed", type=int, default=0, help="which noise each patient meets (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the summary as one JSON object")
    settings_arguments(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Replay recordings of any WFDB data set, or people's own CSV and NumPy files, at their native rates."""
    arguments = arguments_parser().parse_args(argv)
    settings = settings_from(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("patients", "limit"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            raise SelfmisError(f"--{name} must be at least 1")
    if not re.fullmatch(NAME, arguments.name):
        raise SelfmisError(f"--name {arguments.name!r}: use up to 20 lower-case letters, digits and dashes")
    if arguments.duration is not None and not arguments.duration > 0:
        raise SelfmisError("--duration must be above 0")

    path: Path = arguments.wfdb or arguments.csv or arguments.npy
    opened = open_recordings(
        path,
        lead=arguments.lead,
        stands_for=arguments.stands_for,
        kind="wfdb" if arguments.wfdb else "csv" if arguments.csv else "npy",
        own=Own(column=arguments.column, units=arguments.units, rate_hz=arguments.rate),
        limit=arguments.limit,
    )
    for problem in opened.problems[:PROBLEMS_SHOWN]:
        log.warning("left out: %s", problem)
    if len(opened.problems) > PROBLEMS_SHOWN:
        log.warning("left out: %d more recordings", len(opened.problems) - PROBLEMS_SHOWN)
    sources = replay_sources(
        opened.recordings,
        patients=arguments.patients,
        frame_seconds=arguments.frame,
        loop=not arguments.once,
        noise=None if arguments.noise is None else _noise(arguments),
        prefix=arguments.name,
    )
    told = {name: str(value) for name, value in vars(arguments).items() if name not in _NOT_THE_CONTENT}
    plan = Plan(
        name=arguments.name,
        digest=hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16],
        sources=tuple(sources),
        speed=arguments.speed,
        duration_s=arguments.duration,
        new_run=arguments.new_run,
    )
    with stopped_by_signals() as stop, resolve(settings.redis) as url:
        summary = stream(plan, settings, url, stop=stop)
    print(summary.line())
    if arguments.json is not None:
        write_json(arguments.json, summary)
    return DONE if summary.complete else ANSWER_IS_NO


_NOT_THE_CONTENT = frozenset({"speed", "duration", "new_run", "json", "config", "set"})


def _noise(arguments: argparse.Namespace) -> "Noise":
    from services.ingest.recordings.noise import open_noise  # noqa: PLC0415 - brings SciPy, which few need

    kinds = tuple(kind.strip() for kind in arguments.noise_kinds.split(",") if kind.strip())
    return open_noise(arguments.noise, snr_db=arguments.snr, kinds=kinds, seed=arguments.seed)


if __name__ == "__main__":
    raise SystemExit(run(main))
