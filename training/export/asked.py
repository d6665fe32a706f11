"""What `selfmis export` was asked to do, done: a run folder becomes a model folder."""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from shared.artefact import Facts, Manifest, load
from shared.artefact.writing import weights_bytes, write
from training.attribution import credits_of, parse_credit
from training.classifier import TrainedRun, load_run
from training.decision import Rule, write_decision
from training.evaluate.models import is_undecided
from training.evaluate.run import decided
from training.export.alarms import Folds, alarms_of
from training.export.facts import ExportError, learnt_from, numbers_of, read_results, trained_on
from training.export.golden import golden_windows
from training.export.precision import precision_of
from training.export.reference import reference_scores
from training.folds import parse_folds
from training.revision import revision
from training.store import Store

LEADS = ("I", "II")


def answer(chosen: argparse.Namespace) -> None:
    """Export as `arguments` were given, and say what was written."""
    run, store = load_run(chosen.run), Store(chosen.store)
    manifest = export(
        run,
        store,
        chosen.out,
        name=chosen.name or _slug(run.name),
        version=chosen.version,
        results=chosen.results,
        streams=chosen.streams,
        precision=chosen.precision,
        credit=chosen.credit,
        validate=parse_folds(chosen.validate) if chosen.validate else (),
        rule=Rule(chosen.specificity),
        now=datetime.now(UTC),
    )
    if chosen.results is None:
        print("selfmis: export: no --results: the model card has no figures", file=sys.stderr)
    print(f"{chosen.out}: {manifest.name} {manifest.version}, lead {manifest.lead}, {manifest.sha256[:12]}")


def export(
    run: TrainedRun,
    store: Store,
    out: Path,
    *,
    name: str,
    version: str,
    results: Path | None,
    streams: Path | None,
    precision: Path | None,
    credit: Sequence[str],
    validate: tuple[int, ...],
    rule: Rule,
    now: datetime,
) -> Manifest:
    """Write the model folder and load it again. Costs some seconds; ``out`` must not exist."""
    if len(run.leads) != 1 or run.leads[0] not in LEADS:
        raise ExportError(f"{run.name} reads {' '.join(run.leads)}; a monitor's model reads lead I or II alone")
    decision = decided(run, store, validate, rule)
    learnt = learnt_from(run, store)
    sources = [source for data in learnt for source in data["sources"]]
    metrics = {} if results is None else numbers_of(read_results(results, run, decision))
    if streams is not None:
        known = Folds.of(run, decision)
        metrics["alarms"] = alarms_of(streams, weights_bytes(run.classifier), decision.calibration, known)
    if precision is not None:
        metrics |= precision_of(precision, weights_bytes(run.classifier), decision.calibration)
    facts = Facts.stated(
        name=name,
        version=version,
        lead=run.leads[0],
        thresholds=decision.thresholds,
        calibration=decision.calibration,
        metrics=metrics,
        data=credits_of(sources, dict(parse_credit(text) for text in credit)),
        trained_on=trained_on(run, learnt),
        created=now,
        revision=revision(),
        reference=reference_scores(run, store, decision),
        alarm=metrics["alarms"]["rules"] if streams is not None else None,
    )
    write(out, run.classifier, facts, golden_mv=golden_windows(store, decision.folds, run.leads[0]))
    if is_undecided(run.folder):  # only now: an export that was refused decides nothing
        write_decision(run.folder, decision)
    model = load(out, expect_lead=run.leads[0])
    model.check_golden(model.session())
    return model.manifest


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:64] or "model"
