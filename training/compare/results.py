"""The comparison as one JSON object: a row's figures with intervals, its difference to the yardstick, its cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training.compare.arm import options_of
from training.compare.cost import cost_of, validated
from training.compare.grid import ALL_LEADS, Cell, Laid, Row
from training.compare.pooled import Pooled, pooled, ranks_of
from training.evaluate.results import Measured, difference, summary
from training.metrics import Resampling, percentile_interval, retrieval_at
from training.revision import revision, versions
from training.runs import load_encoder
from training.store import Store

FORMAT = 1
AT = (1, 5)
_LEFT_OUT = ("reliability", "folds", "ece_binning")


def results_of(
    laid: Laid, store: Store, *, against: str, draws: int, seed: int, failures: Mapping[str, str], command: str
) -> dict[str, Any]:
    """Everything that tables and plots show. ``against``: the arm, as typed, that the others are compared with.

    Costs ``draws`` bootstrap draws of every row: seconds each with some thousand records.
    """
    rows, missing = pooled(laid, store)
    resampling = Resampling(rows[0].scored.patients, draws, seed)
    measured = {each.row: Measured(each.scored, resampling) for each in rows}
    scored = rows[0].scored
    grid = laid.grid
    return {
        "format": FORMAT,
        "command": command,
        "data": {
            "store": grid.store.name,
            "records": len(scored),
            "patients": len(np.unique(scored.patients)),
            "splits": [{"train": s.train, "validate": s.validate, "test": s.test} for s in grid.splits],
        },
        "bootstrap": {"by": "patient", "draws": draws, "seed": seed, "interval": "95 % percentile"},
        "against": against,
        "rows": [_row(laid, each, measured, against, draws, store) for each in rows],
        "missing": [{"row": row.title, "why": why} for row, why in missing.items()],
        "failures": dict(failures),
        "revision": revision(),
        "versions": versions(),
    }


def yardstick(row: Row, rows: Sequence[Row], against: str) -> Row | None:
    """The row to compare with: of that arm, like in everything else; a twelve-lead row takes the first lead's."""
    for other in rows:
        alike = other.encoder == row.encoder and other.share == row.share and other.head == row.head
        if other.arm.title == against and alike and row.lead in (other.lead, ALL_LEADS):
            return None if other == row else other
    return None


def _row(
    laid: Laid, each: Pooled, measured: Mapping[Row, Measured], against: str, draws: int, store: Store
) -> dict[str, Any]:
    row, own = each.row, measured[each.row]
    trained = load_encoder(laid.grid.root / "runs" / each.cells[0].run)
    found: dict[str, Any] = {
        "title": row.title,
        "arm": row.arm.title,
        "method": row.arm.method,
        "options": dict(options_of(row.arm)),
        "teacher": None if trained.record.teacher is None else trained.record.teacher.title,
        "label_free": trained.record.label_free,
        "encoder": row.encoder,
        "lead": row.lead,
        "labels": row.share,
        "head": row.head,
        "seeds": list(each.seeds),
        **{key: value for key, value in summary(own).items() if key not in _LEFT_OUT},
        "validation": validated(laid.grid.root, each.cells),
        "cost": cost_of(laid.grid.root, each.cells, trained.encoder),
    }
    other = yardstick(row, [*measured], against)
    found["difference"] = None if other is None else {"to": other.title, **difference(own, measured[other])}
    found["retrieval"] = _retrieval(laid, each.cells, draws, store)
    return found


def _retrieval(laid: Laid, cells: Sequence[Cell], draws: int, store: Store) -> dict[str, Any] | None:
    """retrieval@1 and @5, over all splits and seeds; None unless every one of them was measured."""
    parts, wanted = ranks_of(laid, cells)
    if not parts or len(parts) < wanted:
        return None
    rows, ranks = (np.concatenate([part[name] for part in parts]) for name in ("rows", "ranks"))
    resampling = Resampling(store.patients[rows], draws)
    found: dict[str, Any] = {"n": len(np.unique(rows)), "teacher": laid.grid.teacher.title}
    for k in AT:
        hits = retrieval_at(ranks, k)
        drawn = resampling.apply(lambda weights, hits=hits: weights @ hits / weights.sum(axis=1))  # type: ignore[misc]  # bound at once
        interval = percentile_interval(drawn)
        found[f"at_{k}"] = float(hits.mean())
        found[f"at_{k}_ci"] = None if interval is None else list(interval)
        found[f"at_{k}_chance"] = float(np.mean([k / len(part["rows"]) for part in parts]))
    return found
