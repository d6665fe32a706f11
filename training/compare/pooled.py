"""What the units left behind as scored records: out-of-fold predictions pooled, a replicate a seed.

All rows of a table are compared on the same records: those that every one of them was tested on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.compare.arm import CompareError
from training.compare.grid import Cell, Laid, Row
from training.compare.units import DONE, RANKS, SCORES, Heading, Matching
from training.evaluate.scored import Scored
from training.store import Store

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Pooled:
    """A row's cells and, on the records that all rows share, its scores; ``seeds`` are the replicates."""

    row: Row
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    scored: Scored


def pooled(laid: Laid, store: Store) -> tuple[list[Pooled], dict[Row, str]]:
    """The rows of which at least one seed is whole, and why each of the others is missing.

    Rows of heads that a method does not have are in neither. Refuses (`CompareError`) where nothing is there.
    """
    root, splits = laid.grid.root, len(laid.grid.splits)
    whole: dict[Row, dict[int, Arrays]] = {}
    missing: dict[Row, str] = {}
    for row, cells in by_row(laid.cells).items():
        if all(_has_none(root, cell) for cell in cells):
            continue
        seeds = {}
        for seed in laid.grid.seeds:
            parts = [_arrays(_scores(root, cell)) for cell in cells if cell.seed == seed]
            there = [part for part in parts if part is not None]
            if len(there) == splits:
                seeds[seed] = _joined(there)
        if seeds:
            whole[row] = seeds
        lost = len(laid.grid.seeds) - len(seeds)
        if lost:
            missing[row] = f"{lost} of {len(laid.grid.seeds)} seeds are not complete"
    if not whole:
        raise CompareError(f"{root}: nothing is complete yet that could be compared")
    everywhere = [arrays["rows"] for seeds in whole.values() for arrays in seeds.values()]
    common = reduce(np.intersect1d, everywhere)
    if not len(common):
        raise CompareError(f"{root}: no record was tested by all rows")
    grouped = by_row(laid.cells)
    return [_pooled(row, grouped[row], seeds, common, store) for row, seeds in whole.items()], missing


def by_row(cells: Sequence[Cell]) -> dict[Row, tuple[Cell, ...]]:
    """The cells of each row, in order of appearance."""
    grouped: dict[Row, list[Cell]] = {}
    for cell in cells:
        grouped.setdefault(cell.row, []).append(cell)
    return {row: tuple(members) for row, members in grouped.items()}


def ranks_of(laid: Laid, cells: Sequence[Cell]) -> tuple[list[Arrays], int]:
    """The retrieval ranks of a row's cells (``rows``, ``ranks``), and how many cells there are."""
    names = dict.fromkeys(cell.match for cell in cells if cell.match is not None)
    found = [_arrays(laid.grid.root / Matching.under / str(name) / RANKS) for name in names]
    return [arrays for arrays in found if arrays is not None], len(names)


def _pooled(
    row: Row, cells: tuple[Cell, ...], seeds: Mapping[int, Arrays], common: npt.NDArray[np.int64], store: Store
) -> Pooled:
    at = {seed: np.searchsorted(arrays["rows"], common) for seed, arrays in seeds.items()}
    return Pooled(
        row,
        tuple(cell for cell in cells if cell.seed in seeds),
        tuple(seeds),
        Scored(
            rows=common,
            labels=store.labels(common).astype(np.float64),
            patients=store.patients[common],
            folds=store.folds[common],
            probabilities=np.stack([arrays["probabilities"][at[s]] for s, arrays in seeds.items()]).astype(
                np.float64
            ),
            found=np.stack([arrays["found"][at[s]] for s, arrays in seeds.items()]),
        ),
    )


def _joined(parts: Sequence[Arrays]) -> Arrays:
    """The parts of one replicate, by ascending row; each row is in one part, because each fold is."""
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["rows"])
    return {name: values[order] for name, values in joined.items()}


def _scores(root: Path, cell: Cell) -> Path:
    return root / Heading.under / cell.head / SCORES


def _has_none(root: Path, cell: Cell) -> bool:
    """Whether it is known that the method of a cell trains no head of its own."""
    folder = root / Heading.under / cell.head
    return (folder / DONE).is_file() and not (folder / SCORES).exists()


def _arrays(path: Path) -> Arrays | None:
    if not (path.with_name(DONE)).is_file() or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise CompareError(f"{path} cannot be read: {error}; remove its folder and run again") from None
