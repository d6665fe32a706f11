"""Many cases through one door, each a function of seed, door and number, so that any of them can be had again."""

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.fuzz.door import Door, Way
from benchmarks.fuzz.judge import Fault, Verdict, judge, watched

AS_IT_IS = 1 / 16
_MOST_KEPT = 50
_LARGE = 1 << 20
_CHANGING = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")


@dataclass(frozen=True, slots=True)
class Crash:
    """The first case that showed a fault, and how many more did at the same place."""

    number: int
    fault: Fault
    case: bytes
    times: int = 1

    def to_json(self) -> dict[str, Any]:
        """For the worker's answer."""
        return {
            "number": self.number,
            "kind": self.fault.kind,
            "words": self.fault.words,
            "where": self.fault.where,
            "times": self.times,
            "case": base64.b64encode(self.case).decode(),
        }


@dataclass(slots=True)
class Tally:
    """What a campaign came to. ``refusals``: how often each kind of line, numbers and quotations left out."""

    cases: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    crashes: dict[tuple[str, str], Crash] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)

    def count(self, number: int, case: bytes, verdict: Verdict) -> None:
        """One more case."""
        self.cases += 1
        if verdict.fault is not None:
            self._crashed(number, case, verdict.fault)
        elif verdict.line is not None:
            self.refused += 1
            line = _CHANGING.sub("…", verdict.line)[:80]
            if line in self.refusals or len(self.refusals) < 5000:
                self.refusals[line] = self.refusals.get(line, 0) + 1
        else:
            self.accepted += 1

    @property
    def crashed(self) -> int:
        """Cases that showed a fault."""
        return sum(crash.times for crash in self.crashes.values())

    def to_json(self) -> dict[str, Any]:
        """For the worker's answer."""
        return {
            "cases": self.cases,
            "accepted": self.accepted,
            "refused": self.refused,
            "crashed": self.crashed,
            "refusals": len(self.refusals),
            "seconds": self.seconds,
            "crashes": [crash.to_json() for crash in self.crashes.values()],
        }

    def _crashed(self, number: int, case: bytes, fault: Fault) -> None:
        key = fault.kind, fault.where
        if key in self.crashes:
            first = self.crashes[key]
            self.crashes[key] = Crash(first.number, first.fault, first.case, first.times + 1)
        elif len(self.crashes) < _MOST_KEPT:
            self.crashes[key] = Crash(number, fault, case)


def case_of(door: Door, way: Way, seed: int, number: int) -> tuple[bytes, bool]:
    """A case by its number, and whether it is valid as it is."""
    chance = Random(f"{seed}/{door.name}/{number}")
    case = way.valid(chance)
    if chance.random() < AS_IT_IS:
        return case, True
    while True:
        case = way.bend(case, chance)
        if chance.random() < 0.5 or len(case) > _LARGE:
            return case, False


def verdict_of(door: Door, way: Way, case: bytes, *, valid: bool) -> Verdict:
    """What one case came to; a valid one must be taken."""
    verdict = judge(way.enter, case, door.work_s)
    if valid and way.always and verdict.line is not None:
        return Verdict(fault=Fault("valid refused", verdict.line, ""))
    return verdict


def campaign(
    door: Door,
    way: Way,
    *,
    cases: int,
    seed: int,
    first: int = 0,
    seconds: float | None = None,
    note: Callable[[int], object] = int,
) -> Tally:
    """``cases`` cases from number ``first`` on, or as many as ``seconds`` of processor time take.

    ``note`` is told each number before its case enters, in case nobody comes back to tell.
    """
    tally = Tally()
    began = time.process_time()
    with watched():
        for number in range(first, first + cases):
            case, valid = case_of(door, way, seed, number)
            note(number)
            tally.count(number, case, verdict_of(door, way, case, valid=valid))
            tally.seconds = time.process_time() - began
            if seconds is not None and tally.seconds >= seconds:
                break
    return tally
