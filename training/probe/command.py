"""`selfmis probe`: what a trained encoder knows, as a linear model of the ten scores on its frozen embedding."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser


def split_arguments(parser: argparse.ArgumentParser) -> None:
    """What probe and finetune ask for alike."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of the encoder")
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="made by `selfmis prepare`")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run folder to write")
    parser.add_argument("--folds", default="1-8", help="to learn from (%(default)s)")
    parser.add_argument(
        "--validate", default="9", metavar="FOLDS", help="to choose and calibrate by (%(default)s)"
    )
    parser.add_argument(
        "--source", action="append", default=[], metavar="NAME", help="only this source of the store"
    )
    parser.add_argument(
        "--labels", type=float, default=1.0, metavar="SHARE", help="share of the labels, 0.01 … 1 (1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="which share of the labels (0)")
    parser.add_argument("--specificity", type=float, metavar="S", help="aim of the thresholds; default: Youden")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where embeddings are kept; default: in RUN")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def main(argv: Sequence[str]) -> int:
    """Probe the encoder of RUN on a store and write a run folder with the head, the calibration and thresholds."""
    parser = Parser(prog="selfmis probe", description=main.__doc__)
    split_arguments(parser)
    chosen = parser.parse_args(argv)
    from training.probe.asked import probe  # noqa: PLC0415 - slow to import

    probe(chosen)
    return DONE
