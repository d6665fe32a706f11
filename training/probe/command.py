"""`selfmis probe`: what a trained encoder knows, as a linear model of the ten scores on its frozen embedding."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from shared.command import Parser
from shared.labels import SCORE_NAMES
from training.classifier import device_of
from training.decision import Rule
from training.folds import parse_folds
from training.probe.embeddings import FOLDER
from training.probe.logistic import ProbeError
from training.probe.run import Probed, probe_run
from training.probe.selection import Split
from training.runs import is_done
from training.store import Store


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


def split_of(chosen: argparse.Namespace) -> Split:
    """The split that was asked for."""
    return Split(
        folds=parse_folds(chosen.folds),
        validate=parse_folds(chosen.validate),
        sources=tuple(chosen.source),
        share=chosen.labels,
        seed=chosen.seed,
    )


def new_run(out: Path, encoder_run: Path) -> None:
    """Refuse to write over the encoder's own run, or over a run that is complete."""
    if out.resolve() == encoder_run.resolve():
        raise ProbeError(f"{out} is the run of the encoder: give --out another name")
    if is_done(out):
        raise ProbeError(f"{out} is a run that is complete: give --out another name, or remove it first")


def main(argv: Sequence[str]) -> int:
    """Probe the encoder of RUN on a store and write a run folder with the head, the calibration and thresholds."""
    parser = Parser(prog="selfmis probe", description=main.__doc__)
    split_arguments(parser)
    chosen = parser.parse_args(argv)
    split, rule = split_of(chosen), Rule(chosen.specificity)
    new_run(chosen.out, chosen.run)
    found = probe_run(
        chosen.run,
        Store(chosen.store),
        chosen.out,
        split,
        rule=rule,
        cache=chosen.cache or chosen.run / FOLDER,
        device=device_of(chosen.device),
    )
    Console().print(_table(found))
    print(f"{chosen.out}: probe of {chosen.run} on {found.train:,} records, chosen by {found.validation:,}")
    return 0


def _table(found: Probed) -> Table:
    table = Table("score", "positives", "penalty", "log loss", "threshold", box=box.SIMPLE_HEAD)
    table.title = "on the validation records"
    for name in SCORE_NAMES:
        table.add_row(
            name,
            str(found.decision.positives[name]),
            f"{found.probe.penalties[name]:g}",
            f"{found.probe.validation_loss[name]:.4f}",
            f"{found.decision.thresholds[name]:.3f}",
        )
    return table
