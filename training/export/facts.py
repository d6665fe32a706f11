"""What a manifest says about a model: which recordings it learnt from, and the figures of its evaluation."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.artefact import CalibrationRecord, Manifest
from shared.errors import SelfmisError
from training.attribution import data_facts
from training.classifier import TrainedRun, learns, lineage, plan_of
from training.decision import Decision
from training.evaluate.varied import overview
from training.methods import find
from training.pretrain.dataset import store_fingerprint
from training.store import Store

SAME_THRESHOLD = 1e-4
"""What rounding by another number of threads or another processor moves a threshold by, at most."""


class ExportError(SelfmisError):
    """A run cannot be exported as asked."""


def learnt_from(run: TrainedRun, store: Store) -> list[dict[str, Any]]:
    """`data_facts` of the run, of the encoder it started from and of its teacher, newest first.

    A run that did not write them down is looked up in ``store``, which must then be the one it was trained on.
    """
    return list(_learnt_from(run, store))


def _learnt_from(run: TrainedRun, store: Store) -> Iterator[dict[str, Any]]:
    for config in lineage(run.config):
        plan, data = plan_of(config), config.get("data")
        if not learns(plan):
            continue
        if not isinstance(data, Mapping) or "store" not in data:
            raise ExportError(f"{run.name}: its config.json does not say what it was trained on")
        if "sources" in data:
            yield dict(data)
        elif data["store"] == store_fingerprint(store):
            method = plan.get("method")
            labelled = True if method is not None and find(str(method)).needs.labels else None
            rows = store.select(folds=plan["folds"], sources=plan.get("sources") or None, labelled=labelled)
            yield data_facts(store, rows)
        else:
            raise ExportError(
                f"{run.name} was trained on another store than {store.path}: name that one with --store"
            )


def trained_on(run: TrainedRun, learnt: list[dict[str, Any]]) -> str:
    """One line: real or simulated, sources, folds, counts, method and teacher."""
    if not learnt:
        return "nothing: the encoder is untrained"
    kinds = {source["simulated"] for data in learnt for source in data["sources"]}
    kind = (
        "real and simulated recordings" if len(kinds) > 1 else ("real", "simulated")[kinds.pop()] + " recordings"
    )
    names = sorted({str(source["name"]) for data in learnt for source in data["sources"]})
    newest = learnt[0]
    record = run.trained.record
    teacher = f", teacher {record.teacher.title}" if record.teacher else ""
    folds = ", ".join(map(str, sorted({fold for data in learnt for fold in data["folds"]})))
    return (
        f"{kind} ({', '.join(names)}), folds {folds}: {newest['records']:,} records of {newest['patients']:,}"
        f" patients, {newest['positives']['MI']:,} with an infarct; method {record.method}{teacher}"
    )


def read_results(path: Path, run: TrainedRun, decision: Decision) -> dict[str, Any]:
    """The `results.json` of an evaluation of this very run under this ``decision``.

    Refuses another model's, averages of several, those of other thresholds or decided on other folds, and those
    taken on the folds that the decision was made on, unless they say that these were other recordings.
    """
    try:
        results: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise ExportError(f"results {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ExportError(f"results {path} are no JSON: {error!s:.80}") from None
    models = results.get("models") if isinstance(results, dict) else None
    if not isinstance(models, list) or not models:
        raise ExportError(f"results {path} were not made by `selfmis evaluate`")
    if len(models) > 1:
        raise ExportError(f"results {path} are of {len(models)} models together: evaluate {run.name} alone")
    if models[0].get("sha256") != run.sha256:
        raise ExportError(
            f"results {path} are of another model ({models[0].get('name')!s:.40}), not of {run.name}"
        )
    _same_decision(path, results, run.name, decision)
    found: dict[str, Any] = results
    return found


def _same_decision(path: Path, results: Mapping[str, Any], name: str, decision: Decision) -> None:
    try:
        (model,), tested = results["models"], results["data"]
        rule, folds = str(model["threshold_rule"]), {int(fold) for fold in model["decided_on"]["folds"]}
        moved = max(abs(float(model["thresholds"][score]) - at) for score, at in decision.thresholds.items())
        tested_on, unseen = {int(fold) for fold in tested["folds"]}, tested.get("unseen") is True
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ExportError(f"results {path} do not say how {name} was decided: evaluate it again") from None
    if folds != set(decision.folds):
        raise ExportError(
            f"results {path} are of {name} decided on folds {_listed(folds)}, and it is exported as decided on"
            f" {_listed(decision.folds)}: give both the same --validate, or evaluate it again"
        )
    if rule != decision.rule:
        raise ExportError(
            f"results {path} are of thresholds by {rule}, and {name} is exported with those by {decision.rule}:"
            " give both the same --specificity, or evaluate it again"
        )
    if not moved <= SAME_THRESHOLD:
        raise ExportError(
            f"results {path} are of other thresholds than {name} is exported with, by up to {moved:.2g}: evaluate"
            " it again (if it has no decision.json yet, export it without --results first)"
        )
    if not unseen and (both := tested_on & set(decision.folds)):
        raise ExportError(
            f"results {path} were taken on fold {min(both)}, which {name} was decided on: evaluate it on others"
        )


def _listed(folds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(folds)))


def measured(
    path: Path, what: str, command: str, parts: set[str], weights: bytes, calibration: CalibrationRecord
) -> dict[str, Any]:
    """What ``command`` found out about a model, with all of ``parts``.

    Refuses figures of another model: of other weights, or calibrated otherwise.
    """
    try:
        found: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{what} {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ExportError(f"{what} {path} are no JSON: {error!s:.80}") from None
    if not isinstance(found, dict) or not {"model", *parts} <= found.keys():
        raise ExportError(f"{what} {path} were not made by `{command}`")
    of = found["model"]
    if of["weights_sha256"] != hashlib.sha256(weights).hexdigest():
        raise ExportError(f"{what} {path} are of other weights: {of['name']!s:.40}, lead {of['lead']!s:.4}")
    if of["calibration"] != calibration.model_dump(mode="json"):
        raise ExportError(f"{what} {path} are of the same weights, calibrated otherwise")
    return found


def identity(manifest: Manifest) -> dict[str, Any]:
    """Which model figures are of, as whoever measures writes it and `measured` demands it."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "lead": manifest.lead,
        "weights_sha256": manifest.files["weights.safetensors"].sha256,
        "calibration": manifest.calibration.model_dump(mode="json"),
    }


def numbers_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """The figures as the manifest takes them: nested numbers, intervals as ``ci_low`` and ``ci_high``."""
    kept: dict[str, Any] = {name: _figure(results[name]) for name in ("any_mi", "macro6", "macro9")}
    kept["types"] = {code: _figure(values) for code, values in results["types"].items()}
    kept |= {name: results[name] for name in ("ece", "sensitivity", "specificity")}
    if "leads" in results:
        kept["leads"] = {lead: _figure(found["any_mi"]) for lead, found in results["leads"].items()}
    if "noise" in results:
        kept["noise"] = {
            kind: {
                snr: _figure(found["any_mi"]) | {"assessable": found["assessable"]["share"]}
                for snr, found in ratios.items()
            }
            for kind, ratios in results["noise"].items()
        }
    if "conditions" in results:
        (lead,) = results["models"][0]["leads"]
        kept["robustness"] = {name: _varied(found) for name, found in overview(dict(results), lead).items()}
    if "polarity" in results:
        kept["polarity"] = results["polarity"]
    return kept


def _varied(found: Mapping[str, Any]) -> dict[str, Any]:
    passed = found["assessable"]
    return {
        **_figure(found["any_mi"]),
        "macro6": found["macro6"]["auroc"],
        "assessable": passed["share"],
        "assessable_auroc": passed["any_mi"]["auroc"],
        "assessable_macro6": passed["macro6"]["auroc"],
    }


def _figure(values: Mapping[str, Any]) -> dict[str, Any]:
    figure: dict[str, Any] = {"auroc": values["auroc"]}
    if values.get("ci") is not None:
        figure["ci_low"], figure["ci_high"] = values["ci"]
    for name in ("n", "positives", "auprc", "ece", "sensitivity", "specificity"):
        if name in values:
            figure[name] = values[name]
    if "few" in values:
        figure["few"] = int(values["few"])
    return figure
