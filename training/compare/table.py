"""`results.md`: the comparison for people. Every figure has its interval, every type its count."""

from collections.abc import Iterator, Sequence
from typing import Any

from shared.labels import MI_CODES
from training.evaluate.figures import MIN_POSITIVES

FEW = "†"
_MACROS = (("any_mi", "any MI"), ("macro6", "six types"), ("macro9", "nine types"))


def markdown(results: dict[str, Any]) -> str:
    """The whole page."""
    return "\n".join(_lines(results)) + "\n"


def short_names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A name for each row that says only what tells the rows apart."""
    varying = [key for key in ("encoder", "lead", "labels", "head") if len({row[key] for row in rows}) > 1]
    names = []
    for row in rows:
        said = [f"{row['labels']:.0%}" if key == "labels" else str(row[key]) for key in varying]
        names.append(", ".join([row["arm"], *said]))
    return names


def _lines(results: dict[str, Any]) -> Iterator[str]:
    data, rows = results["data"], results["rows"]
    splits = data["splits"]
    yield "# Comparison"
    yield ""
    yield "Research use only, not a medical device."
    yield ""
    tested = ", ".join(str(fold) for fold in sorted(fold for split in splits for fold in split["test"]))
    how = f"{len(splits)}-fold rotation, predictions pooled" if len(splits) > 1 else "one split"
    yield (
        f"{data['records']:,} records of {data['patients']:,} patients of {data['store']}, folds {tested}; {how}."
        f" Intervals: 95 %, bootstrap by patient, {results['bootstrap']['draws']:,} draws."
    )
    yield ""
    yield "```"
    yield results["command"]
    yield "```"
    yield ""
    yield from _main(results)
    yield from _types(rows)
    yield from _label_shares(rows)
    yield from _cost(rows)
    yield from _left_out(results)


def _main(results: dict[str, Any]) -> Iterator[str]:
    rows = results["rows"]
    yield "## AUROC, and what is more than the yardstick"
    yield ""
    yield (
        f"Difference: to `{results['against']}` with the same encoder, head and labels, on the same records, draw"
        " by draw."
    )
    yield ""
    yield "| | seeds | any MI | six types | nine types | Δ any MI | Δ six types | AUPRC any MI | ECE any MI |"
    yield "|---|---:|---|---|---|---|---|---|---|"
    for name, row in zip(short_names(rows), rows, strict=True):
        yield _cells(
            name,
            str(len(row["seeds"])),
            *(_ci(row[key]["auroc"], row[key]["ci"]) for key, _ in _MACROS),
            *(_delta(row["difference"], key) for key in ("any_mi", "macro6")),
            *(_ci(row["any_mi"][kind], row["any_mi"][f"{kind}_ci"]) for kind in ("auprc", "ece")),
        )
    yield ""
    used = dict.fromkeys(row["arm"] for row in rows if not row["label_free"])
    if used:
        yield f"Before the head, labels were used by {', '.join(used)}, or by its teacher."
        yield ""


def _types(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    few = {code: rows[0]["types"][code]["few"] for code in MI_CODES}
    yield "## AUROC by type"
    yield ""
    heads = [f"{code}{FEW if few[code] else ''} ({rows[0]['types'][code]['positives']})" for code in MI_CODES]
    yield _cells("", *heads)
    yield f"|---|{'---|' * len(MI_CODES)}"
    for name, row in zip(short_names(rows), rows, strict=True):
        yield _cells(name, *(_ci(row["types"][code]["auroc"], row["types"][code]["ci"]) for code in MI_CODES))
    yield ""
    yield (
        f"In brackets: positives. {FEW} too few to be judged alone: fewer than {MIN_POSITIVES} here, or one of"
        " IPLMI, IPMI and PMI."
    )
    yield ""


def _label_shares(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each arm and head, a column for each share of the labels."""
    shares = sorted({row["labels"] for row in rows})
    if len(shares) < 2:
        return
    yield "## By share of the labels"
    yield ""
    yield (
        "A method, or a teacher, that needs labels learns from that share alone, too; methods without labels see"
        " all records."
    )
    yield ""
    columns = [f"{what}, {share:.0%}" for _, what in _MACROS[:2] for share in shares]
    yield _cells("", *columns)
    yield f"|---|{'---|' * len(columns)}"
    keys = dict.fromkeys((row["arm"], row["encoder"], row["lead"], row["head"]) for row in rows)
    found = {(row["arm"], row["encoder"], row["lead"], row["head"], row["labels"]): row for row in rows}
    alone = [{**row, "labels": 1.0} for row in rows]
    names = dict(
        zip(
            [(row["arm"], row["encoder"], row["lead"], row["head"]) for row in rows],
            short_names(alone),
            strict=True,
        )
    )
    for key in keys:
        cells = []
        for macro, _ in _MACROS[:2]:
            for share in shares:
                row = found.get((*key, share))
                cells.append("" if row is None else _ci(row[macro]["auroc"], row[macro]["ci"]))
        yield _cells(names[key], *cells)
    yield ""


def _cost(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each encoder, whatever heads it has."""
    gaps = sorted({key for row in rows for key in row["validation"] if key.endswith("gap")})
    kinds = list(dict.fromkeys(row["head"] for row in rows))
    grouped: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("arm", "encoder", "lead", "labels"))
        grouped.setdefault(key, {})[row["head"]] = row
    firsts = [next(iter(heads.values())) for heads in grouped.values()]
    yield "## Retrieval, latent gap and cost"
    yield ""
    titles = ["retrieval@1", "retrieval@5", *(f"latent {key}" for key in gaps)]
    titles += ["training (teacher), min", f"{' / '.join(kinds)}, min", "parameters", "MMAC", "windows/s"]
    yield _cells("", *titles)
    yield f"|---|{'---|' * len(titles)}"
    names = short_names([{**row, "head": ""} for row in firsts])
    for name, row, heads in zip(names, firsts, grouped.values(), strict=True):
        found, cost = row["retrieval"], row["cost"]
        cells = ["" if found is None else _ci(found[f"at_{k}"], found[f"at_{k}_ci"]) for k in (1, 5)]
        cells += ["" if row["validation"].get(key) is None else f"{row['validation'][key]:.3f}" for key in gaps]
        teacher = f" ({cost['teacher_minutes']:.1f})" if cost["teacher_minutes"] else ""
        minutes = [f"{heads[kind]['cost']['head_minutes']:.1f}" if kind in heads else "–" for kind in kinds]
        cells += [f"{cost['train_minutes']:.1f}{teacher}", " / ".join(minutes)]
        cells += [f"{cost['parameters']:,}", f"{cost['macs'] / 1e6:.1f}", f"{cost['windows_per_s']:,.0f}"]
        yield _cells(name, *cells)
    yield ""
    measured = [row["retrieval"] for row in rows if row["retrieval"] is not None]
    if measured:
        yield (
            "Retrieval: does the embedding find the twelve-lead embedding of its own record (teacher"
            f" {measured[0]['teacher']})? Through a linear map fitted on training records; by chance"
            f" {measured[0]['at_1_chance']:.4f} at 1."
        )
    yield "Minutes are those of one run and its teacher; windows/s of the bare encoder in torch, on one thread."
    yield ""


def _left_out(results: dict[str, Any]) -> Iterator[str]:
    if not results["missing"] and not results["failures"]:
        return
    yield "## Missing"
    yield ""
    for each in results["missing"]:
        yield f"- {each['row']}: {each['why']}"
    for name, why in results["failures"].items():
        yield f"- failed: {name}: {why}"
    yield ""


def _delta(found: dict[str, Any] | None, key: str) -> str:
    return "" if found is None else _ci(found[key]["difference"], found[key]["ci"], sign="+")


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _ci(value: float | None, ci: list[float] | None, *, sign: str = "") -> str:
    if value is None:
        return "undefined"
    interval = "" if ci is None else f" ({ci[0]:{sign}.3f} … {ci[1]:{sign}.3f})"
    return f"{value:{sign}.3f}{interval}"
