"""What `selfmis evaluate` was asked to do, done: results, tables and plots, to where they are wanted."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from shared.frames import LEADS
from shared.labels import ANY_MI, MI_CODES
from training.classifier import device_of
from training.decision import Rule
from training.evaluate.data import EvaluationError, opened
from training.evaluate.models import is_undecided
from training.evaluate.plots import map_png, reliability_png, roc_png
from training.evaluate.robustness import read_tapes
from training.evaluate.run import Evaluated, Wish, deciding_folds, evaluate
from training.evaluate.table import FEW, markdown
from training.folds import parse_folds
from training.runs import read_config, write_file


def answer(chosen: argparse.Namespace) -> None:
    """Evaluate as `arguments` were given, write what is to be written, and show a table."""
    wish = Wish(
        models=tuple(chosen.model),
        folds=parse_folds(chosen.folds),
        against=tuple(chosen.against),
        validate=parse_folds(chosen.validate) if chosen.validate else (),
        rule=Rule(chosen.specificity),
        leads=_leads(chosen.leads),
        tapes=() if chosen.nstdb is None else tuple(read_tapes(chosen.nstdb)),
        conditions=chosen.conditions,
        teacher=chosen.teacher,
        draws=chosen.draws,
        seed=chosen.seed,
        unseen=chosen.unseen,
        device=device_of(chosen.device),
        threads=chosen.threads,
    )
    # A folder is read only as far as it is needed: what is tested, and what undecided runs are calibrated on.
    needed = set(wish.folds)
    for folder in (*wish.models, *wish.against):
        if is_undecided(folder):
            needed.update(deciding_folds(read_config(folder) or {}, wish.validate))
    with opened(chosen.data, sorted(needed)) as tested:
        done = evaluate(wish, tested)
    _write(chosen, done)
    Console(stderr=chosen.json == "-").print(_table(done.results))


def _leads(text: str) -> tuple[str, ...]:
    if text == "none":
        return ()
    leads = tuple(part.strip() for part in text.split(","))
    for lead in leads:
        if lead not in LEADS:
            raise EvaluationError(f"no lead {lead!r:.20}; there are {', '.join(LEADS)}")
    return leads


def _write(chosen: argparse.Namespace, done: Evaluated) -> None:
    text = json.dumps(done.results, indent=2, allow_nan=False) + "\n"
    if chosen.json == "-":
        sys.stdout.write(text)
    elif chosen.json is not None:
        write_file(Path(chosen.json), text.encode())
    if chosen.out is None:
        return
    out: Path = chosen.out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluationError(f"cannot make the folder {out}: {error.strerror}") from None
    write_file(out / "results.json", text.encode())
    write_file(out / "results.md", markdown(done.results).encode())
    write_file(out / "roc.png", roc_png(done.scored))
    write_file(out / "reliability.png", reliability_png(done.scored))
    write_file(out / "embeddings.png", map_png(done.embeddings, done.scored.labels))


def _table(results: dict[str, Any]) -> Table:
    names = ", ".join(_named(model) for model in results["models"])
    table = Table("", "positives", "AUROC", "95 %", box=box.SIMPLE_HEAD, title=names, title_justify="left")
    rows = [("any MI", results["any_mi"])]
    rows += [
        (f"{code}{FEW if results['types'][code]['few'] else ''}", results["types"][code]) for code in MI_CODES
    ]
    rows += [("mean of six", results["macro6"]), ("mean of nine", results["macro9"])]
    for name, found in rows:
        positives = f"{found['positives']:,}" if "positives" in found else ""
        area = "undefined" if found["auroc"] is None else f"{found['auroc']:.3f}"
        interval = "" if found["ci"] is None else "{:.3f} … {:.3f}".format(*found["ci"])
        table.add_row(name, positives, area, interval)
    table.caption = f"{results['any_mi']['n']:,} records; {FEW} too few to judge {ANY_MI} types alone"
    return table


def _named(model: dict[str, Any]) -> str:
    """A model's name, and its teacher if it had one."""
    return f"{model['name']} (teacher {model['teacher']})" if model.get("teacher") else str(model["name"])
