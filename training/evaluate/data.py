"""The recordings that a model is tested on: a store, or a folder in PTB-XL's own layout, read as it is."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import SelfmisError
from training.prepare.part import Cutting
from training.prepare.ptbxl import DATABASE
from training.prepare.run import list_source, plan_sources, prepare
from training.prepare.spread import here
from training.progress import Progress
from training.revision import revision
from training.store import Store
from training.store.layout import MANIFEST

_NAMED = 5


class EvaluationError(SelfmisError):
    """An evaluation cannot be done as asked."""


@dataclass(frozen=True, eq=False)
class Tested:
    """An opened store and how it came about. ``rejected``: records of the folder that could not be read."""

    store: Store
    name: str
    rejected: int = 0
    absent: int = 0


@contextlib.contextmanager
def opened(path: Path, folds: Sequence[int]) -> Iterator[Tested]:
    """A store as it is; or the records of ``folds`` of a folder in PTB-XL's layout, read into a store of its own.

    That store lies in the system's temporary folder (24 kB a record) and is gone afterwards. Records that cannot
    be read are named on stderr and counted. Refuses a folder that is neither, or has no record in these folds.
    """
    if (path / MANIFEST).is_file():
        yield Tested(Store(path), path.resolve().name)
        return
    if not path.is_dir():
        raise EvaluationError(f"{path} is no folder: name a store, or a folder in PTB-XL's layout")
    if not (path / DATABASE).is_file():
        raise EvaluationError(f"{path} has no {DATABASE} and is no store: prepare it first (`selfmis prepare`)")
    listing = list_source(path.resolve().name, path, None)
    wanted = listing.table[listing.table["fold"].isin(list(folds))]
    if not len(wanted):
        known = sorted({int(fold) for fold in listing.table["fold"].dropna()})
        raise EvaluationError(
            f"{path}: no record in folds {', '.join(map(str, folds))}; it has {', '.join(map(str, known))}"
        )
    planned = plan_sources([replace(listing, table=wanted.reset_index(drop=True))])
    with tempfile.TemporaryDirectory(prefix="selfmis-evaluate-") as folder:
        made = prepare(
            planned,
            Path(folder),
            cutting=Cutting(),
            spread=here,
            now=datetime.now(UTC),
            code=revision(),
            progress=Progress("read", sum(source.records for source in planned), "records"),
        )
        for _, record, why in made.rejected[:_NAMED]:
            print(f"selfmis: evaluate: record {record} is left out: {why}", file=sys.stderr)
        if len(made.rejected) > _NAMED:
            print(f"selfmis: evaluate: and {len(made.rejected) - _NAMED} more", file=sys.stderr)
        absent = sum(source.listing.absent for source in planned)
        yield Tested(Store(folder), path.resolve().name, len(made.rejected), absent)
