"""`selfmis ingest run SCENARIO`: stream a ward that a scenario file describes into Redis."""

import json
import logging
import math
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from services.ingest import scenario as scenarios
from services.ingest import truth
from services.ingest.feed import Slot
from services.ingest.runs import Run
from services.ingest.streaming import Plan, Summary, stopped_by_signals, stream
from services.ingest.ward import ward_of
from shared.command import ANSWER_IS_NO, DONE, Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError
from shared.redis.embedded import resolve


def speed(text: str) -> float:
    """``2``, ``0.5`` or ``max``."""
    try:
        number = math.inf if text == "max" else float(text)
    except ValueError:
        number = math.nan
    if not number > 0:
        raise SelfmisError(f"speed {text!r}: give a number above 0, or max for as fast as possible")
    return number


def write_json(path: Path, summary: Summary) -> None:
    """The summary of a run for programs."""
    try:
        path.write_text(json.dumps(summary.figures(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SelfmisError(f"summary {path} cannot be written: {error.strerror}") from None


def main(argv: Sequence[str]) -> int:
    """Stream simulated and recorded patients as a scenario file says, until its end or Ctrl-C."""
    parser = Parser(prog="selfmis ingest run", description=main.__doc__)
    parser.add_argument("scenario", type=Path, help="YAML file; deploy/scenarios/ward.yaml is a commented example")
    parser.add_argument("--speed", type=speed, help="times real time, or max; overrides the file")
    parser.add_argument(
        "--duration", type=float, metavar="S", help="seconds of patients' time; overrides the file"
    )
    parser.add_argument("--truth", type=Path, metavar="FILE", help="ground truth; default SCENARIO.truth.json")
    parser.add_argument("--new-run", action="store_true", help="begin anew instead of resuming a run cut short")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends, as its giver did")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the summary as one JSON object")
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    settings = settings_from(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    scenario = scenarios.read(arguments.scenario)
    duration_s = scenario.duration_s if arguments.duration is None else arguments.duration
    if duration_s is not None and not duration_s > 0:
        raise SelfmisError("--duration must be above 0")
    ward = ward_of(scenario, arguments.scenario.parent)
    path: Path = arguments.truth or arguments.scenario.with_suffix(".truth.json")
    plan = Plan(
        name=scenario.name,
        digest=scenario.digest(),
        sources=ward.sources,
        speed=scenario.pace if arguments.speed is None else arguments.speed,
        duration_s=duration_s,
        faults=scenario.network.faults(),
        seed=scenario.seed,
        new_run=arguments.new_run,
        begin_over_s=scenario.begin_over_s,
        absences=ward.absences,
    )

    def began(this: Run, slots: Sequence[Slot]) -> None:
        truth.write(path, scenario.name, this, slots, ward.admitted)
        print(f"{len(ward.admitted):,} patients of {scenario.name}; ground truth in {path}", flush=True)

    with stopped_by_signals() as stop, resolve(settings.redis) as url:
        if arguments.until_eof:
            threading.Thread(target=_stop_at_eof, args=(stop,), name="ingest-eof", daemon=True).start()
        summary = stream(plan, settings, url, stop=stop, began=began)
    print(summary.line())
    if arguments.json is not None:
        write_json(arguments.json, summary)
    return DONE if summary.complete else ANSWER_IS_NO


def _stop_at_eof(stop: threading.Event) -> None:
    """Whoever started us holds the other end; when that process is gone, in whatever way, so are we."""
    # Not sys.stdin: Python aborts at its end where a thread waits in there, and hides why it ended.
    while os.read(sys.stdin.fileno(), 1 << 16):
        pass
    stop.set()


if __name__ == "__main__":
    raise SystemExit(run(main))
