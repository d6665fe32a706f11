"""`selfmis alarms streams`: rules for a model, picked on some recordings, judged on others and on the simulator.

Streams are made of the records of one fold, and the alarm rules swept over them as `selfmis alarms tune` does.
Reported is what the rules picked do on the records of another fold and on the simulator. It is here rather than
beside the rules because it compares and reports. Only the arguments: torch takes seconds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser, run, settings_arguments
from training.folds import parse_folds


def main(argv: Sequence[str]) -> int:
    """The command; refuses where no rules meet the target, since then there is nothing to ship."""
    chosen = arguments(argv)
    from benchmarks.streams.asked import answer  # noqa: PLC0415 - slow to import

    answer(chosen)
    return DONE


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(
        prog="selfmis alarms streams", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="model folder; default: the shipped one"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="store, or folder as PTB-XL's")
    parser.add_argument("--nstdb", type=Path, required=True, metavar="DIR", help="MIT-BIH noise stress test")
    parser.add_argument("--tune", default="8", metavar="FOLDS", help="rules are picked on (%(default)s)")
    parser.add_argument("--test", default="9", metavar="FOLDS", help="and judged on (%(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each stream (%(default)g)")
    parser.add_argument(
        "--each", type=int, default=30, metavar="N",
        help="simulated patients of each infarct and each mimic; five times as many are healthy (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--max-false-per-hour", type=float, default=0.5, metavar="X",
        help="false alarms allowed per patient-hour where rules are picked (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--answer-s",
        type=float,
        default=60.0,
        metavar="S",
        help="an alarm is acknowledged after this (%(default)g)",
    )
    parser.add_argument(
        "--sweep", action="append", default=[], metavar="NAME=V,V…", help="values of one alarm setting; repeatable"
    )
    parser.add_argument("--seed", type=int, default=0, help="of noise, of who comes before, of the simulator (0)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write streams.json and streams.md here")
    settings_arguments(parser)
    chosen = parser.parse_args(argv)
    if not 2 <= chosen.minutes <= 600 or chosen.each < 1 or chosen.seed < 0:
        parser.error("--minutes is 2 to 600, --each 1 or more, --seed 0 or more")
    if not (chosen.max_false_per_hour >= 0 and 0 <= chosen.answer_s < 1e7):
        parser.error("--max-false-per-hour and --answer-s must not be negative")
    if set(parse_folds(chosen.tune)) & set(parse_folds(chosen.test)):
        parser.error("--tune and --test must not share a fold: rules are not judged where they were picked")
    return chosen


if __name__ == "__main__":
    raise SystemExit(run(main))
