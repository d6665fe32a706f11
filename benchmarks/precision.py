"""`selfmis model precision MODEL`: what bf16 costs a model, measured with the engine that will run it.

An engine uses bf16 only for a model whose manifest says that this costs next to nothing; here that is found out.
It is here rather than beside training because it runs the engine of serving.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser, run


def main(argv: Sequence[str]) -> int:
    """Score records in fp32 and in bf16 and compare the AUROCs; `export --precision` takes what --out gets.

    The loss is the greater of that of any-MI and of the mean of the six frequent types. A processor without bf16
    computes the same, slower.
    """
    chosen = arguments(argv)
    from benchmarks.precision_cost import answer  # noqa: PLC0415 - slow to import

    answer(chosen)
    return DONE


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(prog="selfmis model precision", description=main.__doc__)
    parser.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="model folder; default: the shipped one"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="store, or folder as PTB-XL's")
    parser.add_argument("--folds", default="8", metavar="FOLDS", help="of validation (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write precision.json here")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(run(main))
