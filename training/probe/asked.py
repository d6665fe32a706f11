"""What `selfmis probe` was asked to do, done; and what `selfmis finetune` reads alike from its arguments."""

import argparse
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

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


def probe(chosen: argparse.Namespace) -> None:
    """Probe, write the run folder, and print what was found."""
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
