"""What a store holds, in numbers: per label and fold, and per source."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Table

from shared.frames import LEADS
from shared.labels import ANY_MI, NORMAL, SCORE_NAMES
from training.store import Store, leads_of

_ABOUT_SOURCE = (
    "segments",
    "patients",
    "labelled",
    "any MI",
    "records rejected",
    "records absent",
    "duplicates",
    "units",
    "leads of all",
)


def label_table(store: Store) -> Table:
    """Segments with each label, in each fold; the last rows count all and the labelled."""
    folds = np.unique(store.folds)
    table = Table(title="segments by label and fold", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("label")
    for name in ("all", *("none" if fold == 0 else str(fold) for fold in folds.tolist())):
        table.add_column(name, justify="right")
    for i, code in enumerate(SCORE_NAMES):
        table.add_row("any MI" if code == ANY_MI else code, *_counts(store, folds, store.labels()[:, i] == 1))
    table.add_row("NORM", *_counts(store, folds, store.statements((NORMAL,))[:, 0] == 1))
    table.add_row("labelled", *_counts(store, folds, store.labelled))
    table.add_row("all", *_counts(store, folds, np.ones(len(store), np.bool_)))
    return table


def source_table(store: Store) -> Table:
    """A column a source: how much it holds, what was left out, its units and the leads that all of it has."""
    table = Table(title="sources", title_justify="left", box=box.SIMPLE_HEAD)
    names = [source["name"] for source in store.manifest["sources"]]
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    columns = [_source(store, source) for source in store.manifest["sources"]]
    for k, what in enumerate(_ABOUT_SOURCE):
        table.add_row(what, *(column[k] for column in columns))
    return table


def _source(store: Store, source: Mapping[str, Any]) -> list[str]:
    """What `_ABOUT_SOURCE` names, of one source."""
    name = source["name"]
    rows = store.select(sources=[name]) if name in store.source_names else np.zeros(0, np.int64)
    numbers = (
        len(rows),
        len(np.unique(store.patients[rows])),
        int(store.labelled[rows].sum()),
        int(np.nansum(store.labels(rows)[:, -1])),
        source["rejected"],
        source["absent"],
        source["duplicates"],
    )
    everywhere = leads_of(int(np.bitwise_and.reduce(store.leads[rows]))) if len(rows) else ()
    units = ", ".join(sorted(set(store.units[rows].tolist())))
    leads = "all 12" if len(everywhere) == len(LEADS) else " ".join(everywhere) or "differ"
    return [*(f"{number:,}" for number in numbers), units, leads]


def _counts(store: Store, folds: npt.NDArray[np.int16], has: npt.NDArray[np.bool_]) -> list[str]:
    return [f"{int(has.sum()):,}", *(f"{int(has[store.folds == fold].sum()):,}" for fold in folds)]
