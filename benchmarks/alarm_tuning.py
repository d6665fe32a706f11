"""`selfmis alarms tune`: sweeps the alarm rules over scored replays and picks by a stated target.

It is here rather than beside the rules because it compares and reports, as the benchmarks do. Pick on validation
data; what `--test` says of the rules picked is the honest figure.
"""

import argparse
from collections.abc import Sequence
from math import prod
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.report import Figures, json_argument, present
from benchmarks.scored_replays import read_replay
from services.inference.alarms.tuning import ReplayError, Result, Target, pick, rule_sets, trial
from shared.command import ANSWER_IS_NO, DONE, Parser, run, settings_arguments, settings_from

DEFAULT_SWEEP = {
    "low": (0.3, 0.5, 0.7, 0.9),
    "smoothing": (0.25, 0.5, 1.0),
    "on_windows": (1, 2, 3),
    "of_windows": (3, 5),
}
MOST = 5000
_SHOWN = 12


def main(argv: Sequence[str]) -> int:
    """The command; answers no when no rules meet the target."""
    parser = Parser(
        prog="selfmis alarms tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "replay", type=Path, metavar="FILE", help="scored windows of validation data: .npz, .parquet"
    )
    parser.add_argument("--episodes", type=Path, metavar="FILE", help="when they are a Parquet file: its episodes")
    parser.add_argument(
        "--test", type=Path, metavar="FILE", help="other scored windows, to judge the rules picked"
    )
    parser.add_argument("--test-episodes", type=Path, metavar="FILE", help="and their episodes, if Parquet")
    parser.add_argument(
        "--max-false-per-hour", type=float, default=0.05, metavar="X",
        help="false alarms allowed per patient-hour (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--sweep", action="append", default=[], metavar="NAME=V,V…", help="values of one alarm setting; repeatable"
    )
    parser.add_argument(
        "--answer-s", type=float, default=60.0, metavar="S",
        help="an alarm is acknowledged after this (default %(default)s)",
    )  # fmt: skip
    json_argument(parser)
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    if not (arguments.max_false_per_hour >= 0 and 0 <= arguments.answer_s < 1e7):
        raise ReplayError("--max-false-per-hour and --answer-s must not be negative")
    sweep = dict(swept(text) for text in arguments.sweep) or DEFAULT_SWEEP
    if prod(len(values) for values in sweep.values()) > MOST:
        raise ReplayError(f"more than {MOST} combinations of --sweep; leave some out")
    sets = list(rule_sets(settings_from(arguments).alarm, sweep))
    possible = [settings for settings in sets if settings is not None]
    replay = read_replay(arguments.replay, arguments.episodes)
    held_out = read_replay(arguments.test, arguments.test_episodes) if arguments.test else None
    results = [
        trial(replay, settings, answer_s=arguments.answer_s)
        for settings in track(possible, "rules", console=Console(stderr=True), transient=True)
    ]
    target = Target(arguments.max_false_per_hour)
    best = pick(results, target)
    _show(results, best, list(sweep), arguments.json == "-")
    figures: dict[str, object] = {
        "rules_tried": len(results),
        "rules_impossible": len(sets) - len(possible),
        "target_false_alarms_per_patient_hour": target.false_per_hour,
        "met": best is not None,
    }
    if best is not None:
        figures |= {f"alarm.{name}": getattr(best.settings, name) for name in type(best.settings).model_fields}
        figures |= best.figures()
        if held_out is not None:
            tested = trial(held_out, best.settings, answer_s=arguments.answer_s)
            figures |= {f"test_{name}": value for name, value in tested.figures().items()}
    present("Alarm rules", _known(figures), arguments.json)
    return DONE if best is not None else ANSWER_IS_NO


def _known(figures: Figures) -> Figures:
    """Without what is unset: a figure that does not exist is not written."""
    return {name: value for name, value in figures.items() if value is not None}


def swept(text: str) -> tuple[str, tuple[float | int, ...]]:
    """``NAME=VALUE,VALUE…`` as typed."""
    name, equals, values = text.partition("=")
    try:
        parsed = tuple(float(v) if "." in v or "e" in v else int(v) for v in values.split(","))
    except ValueError:
        parsed = ()
    if not equals or not parsed:
        raise ReplayError(f"--sweep {text}: write it as NAME=VALUE,VALUE…")
    return name, parsed


def _show(results: Sequence[Result], best: Result | None, swept: Sequence[str], to_stderr: bool) -> None:
    """The most sensitive rules at each rate of false alarms, most sensitive first."""
    front: list[Result] = []
    for result in sorted(results, key=lambda r: (r.false_per_hour, -(r.sensitivity or 0))):
        if not front or (result.sensitivity or 0) > (front[-1].sensitivity or 0):
            front.append(result)
    columns = [*swept, "false/h", "sensitivity", "median s", "min/day", ""]
    table = Table(*columns, title="No rules do better in both", box=box.SIMPLE_HEAD, title_justify="left")
    for result in front[::-1][:_SHOWN]:
        delay = result.delay_s(0.5)
        table.add_row(
            *(f"{getattr(result.settings, name):g}" for name in swept),
            f"{result.false_per_hour:.4g}",
            "–" if result.sensitivity is None else f"{result.sensitivity:.3f}",
            "–" if delay is None else f"{delay:.0f}",
            f"{result.burden:.3g}",
            "picked" if result is best else "",
        )
    Console(stderr=to_stderr).print(table)


if __name__ == "__main__":
    raise SystemExit(run(main))
