"""`results.md`: the figures for people, intervals beside every one of them."""

from collections.abc import Iterator
from typing import Any

from shared.labels import MI_TYPES
from training.evaluate.figures import MIN_POSITIVES
from training.evaluate.robustness import NOISES, PACKET_S
from training.evaluate.varied import overview

_NAMES = {mi.code: mi.name for mi in MI_TYPES}
FEW = "†"


def markdown(results: dict[str, Any]) -> str:
    """The whole page."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: dict[str, Any]) -> Iterator[str]:
    data = results["data"]
    names = ", ".join(model["name"] for model in results["models"])
    yield f"# {names}"
    yield ""
    yield "Research use only, not a medical device."
    yield ""
    yield (
        f"Tested on {results['any_mi']['n']:,} records of {data['patients']:,} patients of {data['name']},"
        f" folds {', '.join(map(str, data['folds']))}. Replicates: {results['replicates']}."
        f" Intervals: 95 %, bootstrap by patient, {results['bootstrap']['draws']:,} draws."
    )
    yield ""
    yield from _models(results)
    yield "| | positives | AUROC | average precision | ECE | sensitivity | specificity |"
    yield "|---|---:|---|---|---|---|---|"
    yield _row("**any MI**", results["any_mi"])
    for code, found in results["types"].items():
        yield _row(f"{code} ({_NAMES[code]}){FEW if found['few'] else ''}", found)
    for name, title in (("macro6", "six types"), ("macro9", "nine types"), ("macro20", "types with enough")):
        found = results[name]
        over = ", ".join(found["types"]) or "none"
        yield f"| mean of {title} | | {_ci(found['auroc'], found['ci'])} | | | | |"
        if found["undefined"] or name == "macro20":
            yield f"| …over {over} | | | | | | |"
    yield ""
    yield (
        f"{FEW} too few positives to be judged alone: fewer than {MIN_POSITIVES} here, or one of IPLMI, IPMI and"
        " PMI, which are rare in the public data."
    )
    yield f"ECE: {results['ece_binning']}. Sensitivity and specificity at the model's own thresholds."
    yield from _seeds(results)
    yield from _difference(results)
    yield from _robustness(results)
    yield from _retrieval(results)


def _models(results: dict[str, Any]) -> Iterator[str]:
    yield "| model | kind | teacher | labels | calibration | thresholds |"
    yield "|---|---|---|---|---|---|"
    for model in results["models"]:
        if model["kind"] == "artefact":
            labels, teacher = "", ""
        else:
            share = f"{model['label_share']:.0%}"
            labels = f"{share} for the head" + (", none before" if model["label_free"] else "")
            teacher = model["teacher"] or "none"
        kind = model.get("method", "model folder")
        yield _cells(model["name"], kind, teacher, labels, model["calibration"], model["threshold_rule"])
    yield ""


def _row(name: str, found: dict[str, Any]) -> str:
    cells = [
        name,
        f"{found['positives']:,} of {found['n']:,}",
        _ci(found["auroc"], found["ci"]),
        *(_ci(found[kind], found[f"{kind}_ci"]) for kind in ("auprc", "ece", "sensitivity", "specificity")),
    ]
    return _cells(*cells)


def _seeds(results: dict[str, Any]) -> Iterator[str]:
    if "seeds" not in results["any_mi"]:
        return
    yield ""
    yield "## Seeds"
    yield ""
    for name in ("any_mi", "macro6"):
        found = results[name]
        values = ", ".join(_number(value) for value in found["seeds"])
        yield f"- {name}: {values}; standard deviation {_number(found['sd'])}"


def _difference(results: dict[str, Any]) -> Iterator[str]:
    if "against" not in results:
        return
    against = results["against"]
    yield ""
    yield f"## Against {', '.join(model['name'] for model in against['models'])}"
    yield ""
    yield "On the same records, draw by draw; above 0 is better than the other."
    yield ""
    yield "| AUROC | this | other | difference | p |"
    yield "|---|---|---|---|---|"
    for name in ("any_mi", "macro6", "macro9"):
        found = against["differences"][name]
        yield (
            f"| {name} | {_number(results[name]['auroc'])} | {_number(against[name]['auroc'])}"
            f" | {_ci(found['difference'], found['ci'], sign='+')} | {_number(found['p'])} |"
        )


def _robustness(results: dict[str, Any]) -> Iterator[str]:
    if "leads" in results:
        yield ""
        yield "## Other leads in the place of its own"
        yield ""
        yield "| lead | records | any MI | six types |"
        yield "|---|---:|---|---|"
        for lead, found in results["leads"].items():
            yield _brief(lead, found)
    if "noise" in results:
        yield ""
        yield "## Recorded noise"
        yield ""
        yield "| noise | SNR | any MI | six types | passes the quality gate | any MI of those |"
        yield "|---|---:|---|---|---:|---|"
        for kind, ratios in results["noise"].items():
            for snr, found in ratios.items():
                any_mi, six, good = found["any_mi"], found["macro6"], found["assessable"]
                yield (
                    f"| {NOISES[kind]} | {snr} dB | {_ci(any_mi['auroc'], any_mi['ci'])}"
                    f" | {_ci(six['auroc'], six['ci'])} | {good['share']:.0%} | {_area(good['any_mi'])} |"
                )
    if "conditions" in results:
        yield from _conditions(results)


def _conditions(results: dict[str, Any]) -> Iterator[str]:
    """The one table of robustness: everything that was varied, quality gate off and on."""
    (own,) = {model["leads"][0] for model in results["models"]}
    yield ""
    yield "## Robustness"
    yield ""
    yield "| | any MI | six types | passes the quality gate | any MI of those | six types of those |"
    yield "|---|---|---|---:|---|---|"
    for name, found in overview(results, own).items():
        good = found["assessable"]
        yield _cells(
            name,
            *(_area(found[figure]) for figure in ("any_mi", "macro6")),
            f"{good['share']:.1%}",
            *(_area(good[figure]) for figure in ("any_mi", "macro6")),
        )
    yield ""
    yield (
        f"From N Hz: resampled to that rate and back by the monitor's own resampler. Lost: packets of"
        f" {PACKET_S:g} s, filled as the monitor fills them; what lacks more than windowing allows does not pass."
    )
    yield "A swapped lead passes the gate. The shape of its mean beat gives it away:"
    yield ""
    yield "| lead | records | inverted: found | upright: taken for inverted | of those with an infarct |"
    yield "|---|---:|---:|---:|---:|"
    for lead, found in results["polarity"].items():
        false = "undefined" if found["false_infarct"] is None else f"{found['false_infarct']:.1%}"
        yield _cells(lead, f"{found['n']:,}", f"{found['found']:.1%}", f"{found['false']:.1%}", false)


def _area(found: dict[str, Any]) -> str:
    return _ci(found["auroc"], found["ci"])


def _brief(name: str, found: dict[str, Any]) -> str:
    any_mi, six = found["any_mi"], found["macro6"]
    return f"| {name} | {found['n']:,} | {_ci(any_mi['auroc'], any_mi['ci'])} | {_ci(six['auroc'], six['ci'])} |"


def _retrieval(results: dict[str, Any]) -> Iterator[str]:
    if "retrieval" not in results:
        return
    found = results["retrieval"]
    yield ""
    yield "## Retrieval of a record's own twelve-lead embedding"
    yield ""
    for k in (1, 5):
        yield (
            f"- @{k}: {_ci(found[f'at_{k}'], found[f'at_{k}_ci'])} among {found['n']:,} records"
            f" (chance {found[f'at_{k}_chance']:.4f})"
        )


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _ci(value: float | None, ci: list[float] | None, *, sign: str = "") -> str:
    if value is None:
        return "undefined"
    interval = "" if ci is None else f" ({ci[0]:{sign}.3f} … {ci[1]:{sign}.3f})"
    return f"{value:{sign}.3f}{interval}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
