"""An evaluation from start to end: models opened, assigned to folds, scored, measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shared.frames import LEADS
from training.classifier import TrainedRun, applied, plan_of, windows_of
from training.decision import DECISION, Decision, Rule, decide, read_decision
from training.evaluate.data import EvaluationError, Tested
from training.evaluate.matching import retrieval
from training.evaluate.members import Member, assign
from training.evaluate.models import Model, Rows, RunModel, open_model
from training.evaluate.polarity import polarity
from training.evaluate.results import MACROS, Measured, difference, summary
from training.evaluate.robustness import Condition, Tape
from training.evaluate.scored import Floats, Scored, score
from training.evaluate.varied import Varied
from training.metrics import Resampling
from training.probe.selection import labelled_rows
from training.revision import revision
from training.runs import load_encoder
from training.store import Store

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be evaluated, and how thoroughly."""

    models: tuple[Path, ...]
    folds: tuple[int, ...]
    against: tuple[Path, ...] = ()
    validate: tuple[int, ...] = ()  # for runs that have not decided yet; empty: those they were validated on
    rule: Rule = field(default_factory=Rule)
    leads: tuple[str, ...] = ()
    tapes: tuple[Tape, ...] = ()
    conditions: bool = False
    teacher: Path | None = None
    draws: int = 1000
    seed: int = 0
    unseen: bool = False
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Evaluated:
    """The results as JSON, and what plots are made of."""

    results: dict[str, Any]
    scored: Scored
    embeddings: Floats


def evaluate(wish: Wish, tested: Tested) -> Evaluated:
    """Test the models. Refuses, in one line, folds or leads that the data or the models do not allow."""
    store = tested.store
    replicates = _opened(wish.models, wish, store)
    other = _opened(wish.against, wish, store) if wish.against else []
    lead = _same_leads([*replicates, *other])
    if wish.conditions and lead is None:
        raise EvaluationError("--conditions is for models that read one lead, the same: leave it out")
    needed = tuple(name for name in LEADS if any(name in member.model.leads for member in _all(replicates, other)))
    rows = labelled_rows(store, wish.folds, needed)
    resampling = Resampling(store.patients[rows], wish.draws, wish.seed)
    scored = score(replicates, store, rows)
    if not 0 < scored.labels[:, -1].sum() < len(rows):
        raise EvaluationError(
            f"{tested.name}: of the {len(rows)} records in folds {', '.join(map(str, wish.folds))}"
            f" {int(scored.labels[:, -1].sum())} have an infarct: nothing can be told apart"
        )
    measured = Measured(scored, resampling)
    results = {
        "format": FORMAT,
        **summary(measured),
        "replicates": len(replicates),
        "models": [member.model.described() | {"folds": list(member.folds)} for member in _all(replicates)],
        "data": _data(tested, wish, rows),
        "bootstrap": {"by": "patient", "draws": wish.draws, "seed": wish.seed, "interval": "95 % percentile"},
        "revision": revision(),
    }
    if other:
        results["against"] = _against(measured, Measured(score(other, store, rows), resampling), other)
    if wish.leads and lead is not None:
        results["leads"] = _leads(wish, replicates, store)
    varied = Varied(replicates, store, rows, draws=wish.draws, seed=wish.seed)
    if wish.tapes:
        results["noise"] = varied.noise(wish.tapes)
    if wish.conditions:
        results["conditions"] = varied.conditions()
        results["polarity"] = polarity(store, wish.folds)
    first = replicates[0][0].model
    if wish.teacher is not None:
        results["retrieval"] = _retrieval(wish, replicates[0], store, rows)
    # Of one model only: different encoders have different spaces.
    own = np.isin(scored.folds, replicates[0][0].folds)
    embedded = np.concatenate(list(applied(first.encoder(), windows_of(store, rows[own], first.leads))))
    return Evaluated(results, scored.subset(own), embedded.astype(np.float64))


def deciding_folds(config: Mapping[str, Any], given: tuple[int, ...]) -> tuple[int, ...]:
    """The folds a run is calibrated on: those given, else those it was validated on, else 9."""
    return given or tuple(int(fold) for fold in plan_of(config).get("validate") or ()) or (9,)


def decided(run: TrainedRun, store: Store, given: tuple[int, ...], rule: Rule) -> Decision:
    """The decision of a run: its own, or one made now on `deciding_folds` of the store.

    Made on the processor, whatever the run is scored on: a GPU rounds otherwise, and the same run must be decided
    alike by whoever asks. Refuses a rule or folds other than those of the decision there is, folds the run was
    trained on, and a store in which there is nothing to decide on.
    """
    own = read_decision(run.folder)
    if own is not None:
        _same_decision(run.name, own, given, rule)
        return own
    folds = deciding_folds(run.config, given)
    trained = set(plan_of(run.config).get("folds") or ())
    if both := trained & set(folds):
        raise EvaluationError(
            f"{run.name} was trained on fold {min(both)}, so it cannot be calibrated on it: say --validate FOLDS"
        )
    rows = labelled_rows(store, folds, run.leads)
    logits = np.concatenate(list(applied(run.classifier, windows_of(store, rows, run.leads))))
    return decide(logits, store.labels(rows), store.patients[rows], folds=folds, rule=rule)


def _same_decision(name: str, own: Decision, given: tuple[int, ...], rule: Rule) -> None:
    """Refuse what was asked for and would not be done, since the run has decided otherwise."""
    if given and set(given) != set(own.folds):
        asked, there = f"--validate {_listed(given)}", f"on folds {_listed(own.folds)}"
    elif rule.wanted is not None and rule.title != own.rule:
        asked, there = f"--specificity {rule.wanted:g}", f"by {own.rule}"
    else:
        return
    raise EvaluationError(
        f"{name} was decided {there} before, so {asked} would change nothing: leave it out, or remove the run's"
        f" {DECISION} to decide anew"
    )


def _listed(folds: Sequence[int]) -> str:
    return ",".join(map(str, folds))


def _opened(folders: Sequence[Path], wish: Wish, store: Store) -> list[list[Member]]:
    models: list[Model] = [
        open_model(
            folder,
            lambda run: decided(run, store, wish.validate, wish.rule),
            device=wish.device,
            threads=wish.threads,
        )
        for folder in folders
    ]
    return assign(models, wish.folds, unseen=wish.unseen)


def _all(*groups: Sequence[Sequence[Member]]) -> list[Member]:
    return [member for group in groups for members in group for member in members]


def _same_leads(replicates: Sequence[Sequence[Member]]) -> str | None:
    """The lead that all of them read; None if they read several, or not the same."""
    found = {member.model.leads for member in _all(replicates)}
    only = next(iter(found)) if len(found) == 1 else ()
    return only[0] if len(only) == 1 else None


def _data(tested: Tested, wish: Wish, rows: Rows) -> dict[str, Any]:
    store = tested.store
    return {
        "name": tested.name,
        "sources": [store.source_names[i] for i in np.unique(store.sources[rows])],
        "folds": list(wish.folds),
        "records": len(rows),
        "patients": len(np.unique(store.patients[rows])),
        "rejected": tested.rejected,
        "absent": tested.absent,
        "unseen": wish.unseen,
    }


def _against(measured: Measured, other: Measured, members: Sequence[Sequence[Member]]) -> dict[str, Any]:
    return {
        "models": [member.model.described() | {"folds": list(member.folds)} for member in _all(members)],
        "any_mi": other.of("auroc.MI"),
        **{name: other.of(name) for name in MACROS},
        "differences": difference(measured, other),
    }


def _leads(wish: Wish, replicates: Sequence[Sequence[Member]], store: Store) -> dict[str, Any]:
    """The same model shown other leads; a lead that no record has is left out, with ``n`` 0."""
    found: dict[str, Any] = {}
    for lead in wish.leads:
        rows = store.select(folds=wish.folds, labelled=True, leads=(lead,))
        if not len(rows):
            undefined = {"auroc": None, "ci": None}
            found[lead] = {"n": 0, "any_mi": undefined, "macro6": undefined}
            continue
        varied = Varied(replicates, store, rows, draws=wish.draws, seed=wish.seed)
        found[lead] = varied.under(Condition(f"lead {lead}"), (lead,))
    return found


def _retrieval(wish: Wish, members: Sequence[Member], store: Store, rows: Rows) -> dict[str, Any]:
    model = members[0].model
    if not isinstance(model, RunModel) or wish.teacher is None:
        raise EvaluationError(f"{model.name} is a model folder: retrieval needs the run, for its training records")
    own = rows[np.isin(store.folds[rows], members[0].folds)]
    return retrieval(model, load_encoder(wish.teacher), store, own, draws=wish.draws, device=wish.device)
