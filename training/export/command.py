"""`selfmis export`: a run folder becomes a model folder.

Only the arguments: what they ask for is imported when they are understood, since torch takes seconds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(prog="selfmis export", description=main.__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder with a head for the ten scores")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="model folder to write")
    parser.add_argument(
        "--store",
        type=Path,
        required=True,
        metavar="DIR",
        help="what it was trained on; golden windows come from it",
    )
    parser.add_argument("--results", type=Path, metavar="FILE", help="results.json of its evaluation")
    parser.add_argument(
        "--streams", type=Path, metavar="FILE", help="streams.json of `selfmis alarms streams` of this very model"
    )
    parser.add_argument(
        "--precision", type=Path, metavar="FILE", help="precision.json of `selfmis model precision`, likewise"
    )
    parser.add_argument("--name", help="of the model: a-z, 0-9 and . _ -; default: the run folder's")
    parser.add_argument("--version", default="0.1.0", help="(%(default)s)")
    parser.add_argument(
        "--credit", action="append", default=[], metavar="SOURCE=…", help="NAME; ATTRIBUTION; LICENCE of a source"
    )
    parser.add_argument(
        "--validate", metavar="FOLDS", help="to calibrate a run that was not, yet; default: where it was validated"
    )
    parser.add_argument("--specificity", type=float, metavar="S", help="aim of its thresholds; default: Youden")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Write the model folder of RUN: graph, weights, golden windows, manifest and model card.

    The graph takes raw millivolts and gives ten calibrated probabilities; it is refused if it differs from torch.
    """
    chosen = arguments(argv)
    from training.export.asked import answer  # noqa: PLC0415 - slow to import

    answer(chosen)
    return DONE
