"""`selfmis compare`: a grid of methods, seeds, folds, leads and label shares, and one table of them.

Only the arguments: what they ask for is imported when they are understood, since torch takes seconds.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from shared.command import Parser
from training.compare.arm import PLAN_KEYS
from training.compare.heads import HEADS
from training.finetune.plan import Tuning
from training.metrics.bootstrap import DRAWS
from training.pretrain.plan import Plan

_DEFAULTS = {item.name: item.default for item in dataclasses.fields(Plan)}


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = Parser(
        prog="selfmis compare",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_description(),
    )
    what = parser.add_argument_group("what to compare")
    what.add_argument("--store", type=Path, required=True, metavar="DIR", help="made by `selfmis prepare`")
    what.add_argument("--out", type=Path, default=Path("var/compare"), metavar="DIR", help="default %(default)s")
    what.add_argument("--methods", nargs="+", required=True, metavar="ARM", help="separated by spaces")
    what.add_argument("--seeds", type=_numbers, default=(0,), help="such as 0,1,2 (default 0)")
    what.add_argument("--leads", type=_words, default=("I",), help="of the students, such as I,II (default I)")
    what.add_argument("--encoders", type=_words, default=("small",), help="such as small,mid (default small)")
    what.add_argument("--labels", type=_shares, default=(1.0,), help="shares, such as 0.01,0.1,1 (default 1)")
    what.add_argument("--heads", type=_words, default=HEADS, help=f"of {','.join(HEADS)} (default all)")
    what.add_argument(
        "--teacher", default="upper", metavar="ARM", help="for methods that need one (default %(default)s)"
    )
    what.add_argument("--teacher-seed", type=int, default=0, metavar="N", help="one teacher for all seeds (0)")
    what.add_argument("--against", metavar="ARM", help="of --methods: the yardstick (supervised)")
    what.add_argument("--source", action="append", default=[], metavar="NAME", help="of the store; repeatable")
    split = parser.add_argument_group("which records: one split, or a rotation")
    split.add_argument("--folds", metavar="FOLDS", help="rotate these: each is tested once, such as 1-9")
    split.add_argument("--rotations", type=int, metavar="N", help="in so many groups (default: one a fold)")
    split.add_argument("--train", default="1-8", metavar="FOLDS", help="of one split (default %(default)s)")
    split.add_argument("--validate", default="9", metavar="FOLDS", help="of one split (default %(default)s)")
    split.add_argument("--test", default="10", metavar="FOLDS", help="of one split (default %(default)s)")
    how = parser.add_argument_group("how all arms are trained that do not say otherwise")
    for key, about in (
        ("epochs", "passes over the training records"),
        ("batch", "records in a batch"),
        ("lr", "learning rate at its top"),
        ("keep", "last or best epoch"),
    ):
        how.add_argument(
            f"--{key}", type=type(_DEFAULTS[key]), default=_DEFAULTS[key], help=f"{about} (%(default)s)"
        )
    how.add_argument(
        "--common", default="", metavar="KEY=VALUE,…", help="of all arms (and teachers) that have such an option"
    )
    how.add_argument("--statements", type=int, metavar="N", help="methods with labels learn these, too")
    how.add_argument("--finetune-epochs", type=int, default=Tuning().epochs, metavar="N", help="(%(default)s)")
    where = parser.add_argument_group("where")
    where.add_argument("--plain", action="store_true", help="one after the other in this process, without Ray")
    where.add_argument("--at-once", type=int, metavar="N", help="trials at a time (default: as many as fit)")
    where.add_argument("--threads", type=int, default=1, metavar="N", help="processors of a trial (%(default)s)")
    where.add_argument(
        "--gpus",
        type=float,
        metavar="SHARE",
        help="of a GPU for a trial, such as 0.25 (default: 1 if there are any)",
    )
    said = parser.add_argument_group("what is said")
    said.add_argument("--json", type=Path, metavar="FILE", help="results, beside OUT/results.json")
    said.add_argument("--draws", type=int, default=DRAWS, metavar="N", help="of the bootstrap (%(default)s)")
    said.add_argument("--report-only", action="store_true", help="train nothing; report what is done")
    said.add_argument("--dry-run", action="store_true", help="say what would be done")
    chosen = parser.parse_args(argv)
    for name, least in (("draws", 1), ("threads", 1), ("at_once", 1)):
        if getattr(chosen, name) is not None and getattr(chosen, name) < least:
            parser.error(f"--{name.replace('_', '-')} is {least} or more")
    if chosen.gpus is not None and not chosen.gpus >= 0:
        parser.error("--gpus is 0 or more")
    if chosen.folds is None and chosen.rotations is not None:
        parser.error("--rotations rotates --folds: name them")
    return chosen


def main(argv: Sequence[str]) -> int:
    """Train what is missing of the grid and write OUT/results.json, results.md and plots.

    Returns 1 where a part of the grid failed: it is named, and the rest is reported. Interrupted or killed, the
    same command goes on.
    """
    chosen = arguments(argv)
    from training.compare.run import compare  # noqa: PLC0415 - slow to import

    return compare(chosen, argv)


def _description() -> str:
    return "\n".join(
        [
            "Train many encoders by many methods and compare them on the same records.",
            "",
            "An ARM is METHOD[:KEY=VALUE,…][@TEACHER[:KEY=VALUE,…]]: a method, options of it or of its training",
            f"({', '.join(PLAN_KEYS)}), and a teacher",
            "other than --teacher. `selfmis methods` lists the methods. Run again, it does only what is missing.",
        ]
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in _words(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"write seeds as 0,1,2, not {text!r:.40}") from None


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _words(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"write shares as 0.01,0.1,1, not {text!r:.40}") from None
