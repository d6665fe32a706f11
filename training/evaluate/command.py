"""`selfmis evaluate`: figures, tables and plots of a model on records that it has not seen.

Only the arguments: what they ask for is imported when they are understood, since torch takes seconds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser
from training.metrics.bootstrap import DRAWS

PER_LEAD = "I,II,V2,V5"


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(
        prog="selfmis evaluate",
        description="Test models on records they have not seen. DIR of --data is a store, or a folder in PTB-XL's "
        "own layout; a model is a run folder with a head or an exported model folder. Several models are seeds of "
        "one recipe, or, with the same seeds, folds of one cross-validation, whose predictions are pooled.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="recordings to test on")
    parser.add_argument("--model", type=Path, required=True, nargs="+", metavar="DIR", help="what to test")
    parser.add_argument("--folds", default="10", help="to test on, such as 10 or 9,10 (%(default)s)")
    parser.add_argument(
        "--against", type=Path, nargs="+", default=[], metavar="DIR", help="compare, record by record"
    )
    parser.add_argument("--json", metavar="FILE", help="write the results here; - for stdout")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write results.json, results.md and plots here")
    parser.add_argument(
        "--validate",
        metavar="FOLDS",
        help="to calibrate runs that were not, yet; default: where they were validated",
    )
    parser.add_argument("--specificity", type=float, metavar="S", help="aim of their thresholds; default: Youden")
    parser.add_argument(
        "--leads", default=PER_LEAD, help="to show a one-lead model in the place of its own (%(default)s; none)"
    )
    parser.add_argument(
        "--nstdb", type=Path, metavar="DIR", help="MIT-BIH noise stress test: test under its noise"
    )
    parser.add_argument(
        "--conditions",
        action="store_true",
        help="test as if sampled at other device rates, with lost packets, with the lead swapped",
    )
    parser.add_argument("--teacher", type=Path, metavar="RUN", help="twelve-lead run: test retrieval")
    parser.add_argument("--draws", type=int, default=DRAWS, metavar="N", help="of the bootstrap (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of bootstrap and noise (%(default)s)")
    parser.add_argument(
        "--unseen", action="store_true", help="the recordings are other ones than the models learnt from"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of ONNX Runtime (%(default)s)")
    chosen = parser.parse_args(argv)
    if chosen.draws < 1 or chosen.seed < 0 or chosen.threads < 1:
        parser.error("--draws and --threads are 1 or more, --seed 0 or more")
    return chosen


def main(argv: Sequence[str]) -> int:
    """Evaluate and report; returns 0."""
    chosen = arguments(argv)
    from training.evaluate.asked import answer  # noqa: PLC0415 - slow to import

    answer(chosen)
    return DONE
