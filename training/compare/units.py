"""The units of work of a comparison: an encoder, a head on it with its test, its retrieval.

A unit's name ends in a hash of everything that decides its result: the plan, the folds, the store, the teacher's
own name. So a unit that is there is the unit that is wanted, whichever grid asked for it first; a teacher is
trained once for all students that share its folds; and a changed grid does only what it did not have.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from training.compare.heads import HeadKind
from training.finetune.plan import Tuning
from training.pretrain.plan import Plan
from training.probe.selection import Split

DONE = "unit.json"
SCORES = "scores.npz"
RANKS = "ranks.npz"


@dataclass(frozen=True, kw_only=True)
class _Unit:
    name: str
    needs: tuple[str, ...]
    """Units that must be done before."""
    cost: float
    """Expected, in multiply-accumulates; only proportions matter."""


@dataclass(frozen=True, kw_only=True)
class Encoding(_Unit):
    """An encoder, pre-trained by a plan."""

    under: ClassVar = "runs"
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Heading(_Unit):
    """A head on the encoder ``run``, decided on validation folds and tested on others."""

    under: ClassVar = "heads"
    run: str
    kind: HeadKind
    split: Split
    tuning: Tuning
    test: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Matching(_Unit):
    """Whether embeddings of ``run`` find the twelve-lead embedding, by ``teacher``, of their own record."""

    under: ClassVar = "matches"
    run: str
    teacher: str
    split: Split
    test: tuple[int, ...]


Unit: TypeAlias = Encoding | Heading | Matching


def folder_of(root: Path, unit: Unit) -> Path:
    """Where a unit's results are."""
    return root / unit.under / unit.name


def is_done(root: Path, unit: Unit) -> bool:
    """Whether they are there."""
    return (folder_of(root, unit) / DONE).is_file()


def named(prefix: str, facts: Mapping[str, Any]) -> str:
    """A name that is another one whenever a fact is."""
    said = json.dumps(facts, sort_keys=True, default=str)
    return f"{prefix}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
