"""What is committed against what must be: lost, doubled, otherwise different. Pure.

**Which counters are compared with the generated samples.** The *pure* ones: they count windows, scores, alerts and
the samples that found their place, so they follow from the samples alone, however often and in whatever portions
these were delivered. Not compared are those that count *deliveries*: a frame that is sent again after a lost
confirmation is counted twice in ``facts|frames``, and its samples in ``facts|samples_duplicate`` or, once their
windows have closed, in ``facts|samples_late``; that is what they are for. These are compared with the log instead
(`against_log`), where it was kept: every entry that Redis holds, counted once. Neither has alarms about silence.

**Which alerts.** All, but of those about silence (`SILENCE`), which tell when frames came, only that none is there
twice. Escalations by the clock while a stream was lost are repeated where they were (`monitor.elapsed`).

**Which state of a patient.** Of the mark, session and next window (its high-water mark says where the stream stood
when a window closed, which follows from the order of deliveries); everything else bit by bit, but for what is
parked (samples of windows still open, put aside by the clock of the log).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.faults.expected import Committed
from services.inference.commit.facts import Kind
from services.inference.monitor.elapsed import SILENCE
from shared.position import PatientMark

PURE = ("windows|", "rejects|", "score|", "score_sum_e6", "alerts|", "dead_letters|", "commands|")
PURE_FACTS = (
    "facts|samples",
    "facts|windows_complete",
    "facts|windows_gapped",
    "facts|windows_unassessable",
)
# Of each patient, bit by bit. Parked samples are put aside by the clock of the log, silence is about a clock.
KEPT = tuple(kind for kind in Kind if kind not in {Kind.MARK, Kind.PARKED, Kind.SILENCE})
_EXAMPLES = 5


@dataclass(slots=True)
class Verdict:
    """``lost`` and ``doubled``: windows and alerts. ``changed``: alerts, and states of patients, that are others.

    ``counters``: name → (what is committed, what must be), where they differ; ``deliveries``: the same against the
    log, where it was kept.
    """

    lost: int = 0
    doubled: int = 0
    changed: int = 0
    counters: dict[str, tuple[int, int]] = field(default_factory=dict)
    deliveries: dict[str, tuple[int, int]] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing differs."""
        return not (self.lost or self.doubled or self.changed or self.counters or self.deliveries)

    def note(self, what: str) -> None:
        """Keep a few examples for whoever must find out."""
        if len(self.examples) < _EXAMPLES:
            self.examples.append(what)


def pure(counters: Mapping[str, int]) -> dict[str, int]:
    """The counters that follow from the samples alone; those that are zero are left out."""
    return {
        name: amount
        for name, amount in counters.items()
        if amount and (name in PURE_FACTS or name.startswith(PURE)) and not _of_silence(name)
    }


def _of_silence(counter: str) -> bool:
    """Whether it counts alarms about silence, which tell when frames came: no run of samples or log finds them."""
    what, _, rest = counter.partition("|")
    return what in {"alerts", "active"} and rest.partition("|")[0] in SILENCE


def judge(found: Sequence[Committed], wanted: Sequence[Committed], *, alerts_kept: int | None = None) -> Verdict:
    """All shards, against the generated samples.

    ``alerts_kept``: Redis keeps this many of a shard, or a few more. Older ones are not missed: that they were
    there the counters say.
    """
    verdict = Verdict()
    for shard, (have, want) in enumerate(zip(found, wanted, strict=True)):
        _windows(verdict, shard, have, want)
        _alerts(verdict, shard, have, want, alerts_kept)
        _patients(verdict, shard, have, want)
        _counters(verdict, pure(have.counters), pure(want.counters))
    return verdict


def against_log(found: Sequence[Committed], wanted: Sequence[Committed]) -> dict[str, tuple[int, int]]:
    """All counters, of deliveries too, against those of an offline run of the log: (committed, must be).

    But for those of alarms about silence.
    """
    verdict = Verdict()
    for have, want in zip(found, wanted, strict=True):
        _counters(verdict, have.counters, want.counters)
    return {name: amounts for name, amounts in verdict.counters.items() if not _of_silence(name)}


def _windows(verdict: Verdict, shard: int, have: Committed, want: Committed) -> None:
    """By patient from the marks, which say how far windows were committed; and by number from the counters."""
    behind = 0
    for name, raw in want.patients[Kind.MARK].items():
        committed = have.patients[Kind.MARK].get(name)
        must = PatientMark.unpack(raw)
        mark = None if committed is None else PatientMark.unpack(committed)
        done = mark.next_window if mark is not None and mark.session == must.session else 0
        if done != must.next_window:
            behind += max(0, must.next_window - done)
            verdict.doubled += max(0, done - must.next_window)
            verdict.note(f"shard {shard}: {name.decode()} has {done} of {must.next_window} windows")
    counted, due = (sum(n for k, n in each.counters.items() if k.startswith("windows|")) for each in (have, want))
    verdict.lost += max(behind, due - counted)
    verdict.doubled += max(0, counted - due)


def _alerts(verdict: Verdict, shard: int, have: Committed, want: Committed, kept: int | None) -> None:
    bodies, wanted = dict(have.alerts), _by_samples(want.alerts)
    times, by_samples = Counter(i for i, _ in have.alerts), _by_samples(have.alerts)
    trimmed = kept is not None and len(have.alerts) >= min(kept, len(wanted))
    for name in () if trimmed else wanted.keys() - bodies.keys():
        verdict.lost += 1
        verdict.note(f"shard {shard}: alert {name} is missing")
    for name, amount in times.items():
        due = name in wanted or name not in by_samples
        if amount > due:
            verdict.doubled += amount - due
            verdict.note(f"shard {shard}: alert {name} is there {amount} times")
        elif name in wanted and bodies[name] != wanted[name]:
            verdict.changed += 1
            verdict.note(f"shard {shard}: alert {name} is another")


def _by_samples(alerts: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    return {i: body for i, body in alerts if json.loads(body)["kind"] not in SILENCE}


def _patients(verdict: Verdict, shard: int, have: Committed, want: Committed) -> None:
    kept = {kind.name.lower(): (have.patients[kind], want.patients[kind]) for kind in KEPT}
    for what, (found, must) in (kept | {"trend": (have.trend, want.trend)}).items():
        for name in found.keys() | must.keys():
            if found.get(name) != must.get(name):
                verdict.changed += 1
                verdict.note(f"shard {shard}: {what} of {name.decode()} is another")


def _counters(verdict: Verdict, have: Mapping[str, int], want: Mapping[str, int]) -> None:
    for name in have.keys() | want.keys():
        found, must = have.get(name, 0), want.get(name, 0)
        if found != must:
            before = verdict.counters.get(name, (0, 0))
            verdict.counters[name] = (before[0] + found, before[1] + must)
