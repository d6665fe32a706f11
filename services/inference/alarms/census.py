"""How many patients and alarms stand how, kept as *changes*, so that it can be committed like any counter.

A view that wants to know how many alarms are active would else have to read the state of every patient. Each
commit carries what changed since the last; the sum of all commits is how things stand, whoever made them.
"""

from collections import Counter
from collections.abc import Iterable

from services.inference.alarms.slot import NO_TYPE, Slot
from services.inference.alarms.standing import Standing
from services.inference.alarms.terms import Phase
from shared.labels import SCORE_NAMES

WAITING = frozenset({Phase.RAISED, Phase.LATCHED})
"""Phases in which an alarm waits for a person."""


class Census:
    """Changes since the last `take`. Names are counters': ``patients|status``, ``muted`` and
    ``active|kind|type|priority|phase``."""

    def __init__(self) -> None:
        self._changes: Counter[str] = Counter()

    def stood(self, before: Standing | None, after: Standing | None) -> None:
        """A patient stood so, and now stands so; None: is not known."""
        if before == after:
            return
        for standing, sign in ((before, -1), (after, 1)):
            if standing is not None:
                self._changes[f"patients|{standing.status.label}"] += sign
                self._changes["muted"] += sign * (standing.mute is not None)
                for slot in standing.slots:
                    self._count(slot, sign)

    def slot_stood(self, before: Slot | None, after: Slot | None) -> None:
        """The same for a slot that belongs to no patient's standing."""
        for slot, sign in ((before, -1), (after, 1)):
            if slot is not None:
                self._count(slot, sign)

    def take(self) -> Counter[str]:
        """What changed; the changes are forgotten."""
        changes = Counter({name: change for name, change in self._changes.items() if change})
        self._changes.clear()
        return changes

    def _count(self, slot: Slot, sign: int) -> None:
        if slot.active:
            type_ = "" if slot.type == NO_TYPE else SCORE_NAMES[slot.type]
            name = f"active|{slot.kind.label}|{type_}|{slot.priority.label}|{slot.phase.label}"
            self._changes[name] += sign


def oldest(slots: Iterable[Slot]) -> dict[str, int]:
    """When the oldest alarm began that waits for a person (sample time, µs), by ``kind|priority``."""
    began: dict[str, int] = {}
    for slot in slots:
        if slot.phase in WAITING:
            name = f"{slot.kind.label}|{slot.priority.label}"
            began[name] = min(began.get(name, slot.began_us), slot.began_us)
    return began
