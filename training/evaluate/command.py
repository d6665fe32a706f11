"""`selfmis evaluate`: figures, tables and plots of a model on records that it has not seen."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from shared.command import Parser
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
from training.metrics.bootstrap import DRAWS
from training.runs import read_config, write_file

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
    return 0


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
    names = ", ".join(model["name"] for model in results["models"])
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
