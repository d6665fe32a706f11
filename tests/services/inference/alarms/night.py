"""Some shards watched for silence, second by second: what the tests of it share."""

from collections.abc import Iterable, Sequence

import numpy as np

from services.inference.alarms import Action, Alert, Applied, Command, Known, Liveness
from services.inference.alarms.together import NOBODY, Look, Together
from tests.services.inference.alarms.events import small_rules

RULES = small_rules(stream_lost_s=10.0, gather_s=2.0, system_patients=3)
WARD = ("ada", "ben", "cleo", "dora")
OTHERS = ("eve", "fay", "gil")


def micros(s: float) -> int:
    return round(s * 1e6)


class Night:
    """Shards under watch: a look a second, at each of them and at what all of them hear."""

    def __init__(self, shards: int = 1, at_s: float = 0.0, known: Sequence[str] = (), states: object = ()) -> None:
        people = [Known(name.encode(), 7, 0) for name in known]
        kept = list(states) if isinstance(states, Iterable) else []
        self.shards = [Liveness(RULES, shard, people if not shard else (), kept) for shard in range(shards)]
        self.now_s = at_s
        self.missing: frozenset[int] = frozenset()
        self.look()

    def look(self, at_s: float | None = None) -> list[Alert]:
        """One look, without those before it."""
        self.now_s = self.now_s if at_s is None else at_s
        there = [shard for number, shard in enumerate(self.shards) if number not in self.missing]
        for shard in there:
            shard.look(micros(self.now_s))
        rows = np.concatenate([NOBODY, *(shard.tally() for shard in there)])
        settings = RULES.settings
        lost_us = micros(settings.stream_lost_s)
        together = Together.of(
            rows,
            not self.missing,
            micros(self.now_s),
            lost_us,
            settings.system_patients,
            gather_us=micros(settings.gather_s),
        )
        return [a for shard in there for a in shard.check(Look(micros(self.now_s), together)).alerts]

    def until(self, at_s: float) -> list[Alert]:
        """A look each second, and one at the end."""
        alerts: list[Alert] = []
        while self.now_s + 1 < at_s:
            alerts += self.look(self.now_s + 1)
        return alerts + self.look(at_s)

    def hear(self, at_s: float, names: Sequence[str] = WARD, session: int = 7, shard: int = 0) -> list[Alert]:
        """Looks up to then; then frames of ``names``, whose own time runs 1000 s ahead of the log."""
        alerts = self.until(at_s) if at_s > self.now_s else []
        return alerts + self.frames(at_s, names, session, shard)

    def frames(self, at_s: float, names: Sequence[str], session: int = 7, shard: int = 0) -> list[Alert]:
        at = np.full(len(names), micros(at_s))
        sessions = np.full(len(names), session, np.uint64)
        return self.shards[shard].heard([n.encode() for n in names], sessions, at + micros(1000), at)

    def ask(self, action: Action, alarm: str = "0" * 32, patient: str = "ada") -> Applied:
        command = Command(f"{self.now_s}-0", action, patient, "nurse", alarm=alarm)
        return self.shards[0].command(command, micros(self.now_s))


def who(alerts: Iterable[Alert]) -> list[tuple[str, str, str]]:
    return [(alert.patient, alert.kind, alert.transition) for alert in alerts]
