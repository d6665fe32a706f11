"""What is to be compared, and the units of work that it takes.

Labels are counted honestly: with a tenth of the labels a method that needs them is trained on that tenth, so is
the teacher of a method that needs none itself, and only what uses no label at all sees every record.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from shared.encoder import build, count_macs
from shared.frames import LEADS
from shared.signal import PREPROCESSING_VERSION, WINDOW_SAMPLES
from training.compare.arm import Arm, CompareError
from training.compare.heads import HeadKind
from training.compare.splits import Folds
from training.compare.units import Encoding, Heading, Matching, Unit, named
from training.finetune.plan import Tuning
from training.pretrain.dataset import store_fingerprint
from training.pretrain.plan import Plan
from training.probe.selection import Split
from training.store import Store

ALL_LEADS = "12"
FORMAT = 1
# A step forward and back costs about three forward; a probe fits in about the time of so many windows embedded.
_BACKWARD, _OVERHEAD_MACS = 3.0, 5e9


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Everything that was asked for; ``base`` are fields of a `Plan` for all arms that do not say otherwise."""

    store: Path
    root: Path
    arms: tuple[Arm, ...]
    splits: tuple[Folds, ...]
    seeds: tuple[int, ...] = (0,)
    leads: tuple[str, ...] = ("I",)
    encoders: tuple[str, ...] = ("small",)
    shares: tuple[float, ...] = (1.0,)
    heads: tuple[HeadKind, ...] = ("own", "probe", "finetune")
    teacher: Arm = field(default_factory=lambda: Arm("upper"))
    teacher_seed: int = 0
    base: Mapping[str, Any] = field(default_factory=dict)
    tuning: Tuning = field(default_factory=Tuning)
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("arms", "splits", "seeds", "leads", "encoders", "shares", "heads"):
            values = getattr(self, name)
            if not values:
                raise CompareError(f"no {name} to compare")
            if len(set(values)) < len(values):
                raise CompareError(f"{name}: one of them is named twice")
        for share in self.shares:
            if not 0 < share <= 1:
                raise CompareError(f"a share of the labels is above 0 and at most 1, not {share:g}")
        tested = [fold for split in self.splits for fold in split.test]
        if len(set(tested)) < len(tested):
            raise CompareError("a fold would be tested by two splits")


@dataclass(frozen=True)
class Row:
    """A line of the table: seeds and splits are what it is averaged and pooled over."""

    arm: Arm
    encoder: str
    lead: str
    share: float
    head: HeadKind

    @property
    def title(self) -> str:
        """For tables and messages."""
        return f"{self.arm.title}, {self.encoder}, lead {self.lead}, {self.share:g} of the labels, {self.head}"


@dataclass(frozen=True)
class Cell:
    """One seed and split of a row, and the names of the units that it is made of."""

    row: Row
    seed: int
    split: int
    run: str
    teachers: tuple[str, ...]
    head: str
    match: str | None


@dataclass(frozen=True)
class Laid:
    """A grid laid out: units, each after those it needs, and the cells that they fill."""

    grid: Grid
    units: tuple[Unit, ...]
    cells: tuple[Cell, ...]


def lay_out(grid: Grid, store: Store) -> Laid:
    """The units and cells of a grid. Refuses, before anything starts, what no plan can be made of."""
    layer = _Layer(grid, store)
    cells = tuple(layer.cells())
    return Laid(grid, tuple(layer.units.values()), cells)


class _Layer:
    """Collects units while cells are made; a unit that two cells want is there once."""

    def __init__(self, grid: Grid, store: Store) -> None:
        self.grid, self.store = grid, store
        self.fingerprint = store_fingerprint(store)
        self.units: dict[str, Unit] = {}
        self._rows = cache(lambda folds: len(store.select(folds=folds, sources=grid.sources or None)))
        self._matched = any(arm.needs.teacher for arm in grid.arms)

    def cells(self) -> Iterator[Cell]:
        grid = self.grid
        for number, folds in enumerate(grid.splits):
            for seed in grid.seeds:
                for arm in grid.arms:
                    for encoder in _own(arm, "encoder", grid.encoders):
                        for lead in (ALL_LEADS,) if arm.all_leads else grid.leads:
                            yield from self._of(arm, encoder, lead, seed, number, folds)

    def _of(self, arm: Arm, encoder: str, lead: str, seed: int, number: int, folds: Folds) -> Iterator[Cell]:
        grid = self.grid
        for share in grid.shares:
            run, teachers = self._encoding(arm, encoder, lead, seed, share, folds)
            split = Split(folds=folds.train, validate=folds.validate, sources=grid.sources, share=share, seed=seed)
            match = None
            if self._matched and share == max(grid.shares):
                match = self._matching(run, split, folds, seed, share)
            for kind in grid.heads:
                head = self._heading(run, kind, split, folds.test)
                yield Cell(Row(arm, encoder, lead, share, kind), seed, number, run.name, teachers, head, match)

    def _encoding(
        self, arm: Arm, encoder: str, lead: str, seed: int, share: float, folds: Folds
    ) -> tuple[Encoding, tuple[str, ...]]:
        """The encoder of an arm, and the names of its teacher and that one's teachers."""
        needs, grid = arm.needs, self.grid
        taught: Encoding | None = None
        teachers: tuple[str, ...] = ()
        if needs.teacher:
            taught, more = self._teacher(arm.teacher or grid.teacher, seed, share, folds)
            teachers = (taught.name, *more)
        base = {key: value for key, value in grid.base.items() if key != "statements" or needs.labels}
        plan = Plan(
            **{
                **base,
                **dict(arm.changes),
                "method": arm.method,
                "store": grid.store,
                "options": arm.all_options,
                "encoder": encoder,
                "lead": "I" if arm.all_leads else lead,
                "teacher": None if taught is None else grid.root / Encoding.under / taught.name,
                "folds": folds.train,
                "validate": folds.validate,
                "sources": grid.sources,
                "labels": share if needs.labels else 1.0,
                "seed": seed,
            }
        )
        left_out = ("store", "teacher", "checkpoint_every")
        facts = {key: value for key, value in plan.to_json().items() if key not in left_out}
        facts |= {"store": self.fingerprint, "preprocessing": PREPROCESSING_VERSION, "format": FORMAT}
        facts["teacher"] = None if taught is None else taught.name
        name = named(f"{arm.method}-{lead}-{encoder}-s{seed}", facts)
        rows = self._rows(folds.train) * plan.labels
        macs = rows * plan.epochs * _BACKWARD * macs_of(encoder, len(plan.leads)) if needs.training else 0.0
        unit = Encoding(
            name=name, needs=() if taught is None else (taught.name,), cost=macs + _OVERHEAD_MACS, plan=plan
        )
        self.units.setdefault(name, unit)
        return unit, teachers

    def _teacher(self, arm: Arm, seed: int, share: float, folds: Folds) -> tuple[Encoding, tuple[str, ...]]:
        """The teacher for these training folds: one for all seeds, unless each seed has its own few labels."""
        if not arm.all_leads:
            raise CompareError(f"{arm.title} reads one lead: a teacher reads all twelve (upper, cmsc)")
        encoder = _own(arm, "encoder", self.grid.encoders)[0]
        chosen = self.grid.teacher_seed if share == 1 else seed
        return self._encoding(arm, encoder, ALL_LEADS, chosen, share, folds)

    def _heading(self, run: Encoding, kind: HeadKind, split: Split, test: tuple[int, ...]) -> str:
        tuning = self.grid.tuning
        facts = {"run": run.name, "kind": kind, "split": dataclasses.asdict(split), "test": test, "format": FORMAT}
        if kind == "finetune":
            facts["tuning"] = dataclasses.asdict(tuning)
        name = named(f"{kind}-{run.name.rpartition('-')[0]}", facts)
        macs = macs_of(run.plan.encoder, len(run.plan.leads))
        cost = self._rows((*split.folds, *split.validate, *test)) * macs + _OVERHEAD_MACS
        if kind == "finetune":
            cost += self._rows(split.folds) * split.share * tuning.epochs * _BACKWARD * macs
        heading = Heading(
            name=name, needs=(run.name,), cost=cost, run=run.name, kind=kind, split=split, tuning=tuning, test=test
        )
        self.units.setdefault(name, heading)
        return name

    def _matching(self, run: Encoding, split: Split, folds: Folds, seed: int, share: float) -> str:
        teacher, _ = self._teacher(self.grid.teacher, seed, share, folds)
        facts = {"run": run.name, "teacher": teacher.name, "test": folds.test, "format": FORMAT}
        name = named(f"match-{run.name.rpartition('-')[0]}", facts)
        macs = macs_of(run.plan.encoder, len(run.plan.leads)) + macs_of(teacher.plan.encoder, len(LEADS))
        self.units.setdefault(
            name,
            Matching(
                name=name,
                needs=tuple(dict.fromkeys((run.name, teacher.name))),
                cost=self._rows((*folds.train, *folds.test)) * macs,
                run=run.name,
                teacher=teacher.name,
                split=split,
                test=folds.test,
            ),
        )
        return name


def _own(arm: Arm, key: str, otherwise: tuple[Any, ...]) -> tuple[Any, ...]:
    changes = dict(arm.changes)
    return (changes[key],) if key in changes else otherwise


@cache
def macs_of(encoder: str, leads: int) -> int:
    """Multiply-accumulates of one window."""
    return count_macs(build(encoder, leads=leads), (leads, WINDOW_SAMPLES))
