"""What goes wrong, and when: drawn from a seed, pure, so that a run that failed can be run again.

Kinds come from a shuffled deck, so that each has its turn before any has a second. Sometimes two come at once.
How long to wait between them is the plan's; that the stream must first be live again is the harness' (`run`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Span = tuple[float, float]

# The chance that a second thing goes wrong at the same moment.
TWICE = 0.3
PAUSE_S: Span = (0.2, 1.5)
_AT_ONCE: Span = (0.0, 0.0)
_MOMENTS: Span = (2.0, 4.5)


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to go wrong. ``lasts_s``: drawn from, 0 for what is over at once. ``beyond_lease``: so much longer.

    ``needs``: what must be there: ``mount`` (root), ``compiler`` (of C, for clocks), ``serve`` (Ray Serve) or
    ``plain`` (no Serve).
    """

    name: str
    lasts_s: Span = _AT_ONCE
    beyond_lease: bool = False
    needs: frozenset[str] = frozenset()


def _kind(name: str, lasts_s: Span = _AT_ONCE, *needs: str, beyond_lease: bool = False) -> Kind:
    return Kind(name, lasts_s, beyond_lease, frozenset(needs))


KINDS: tuple[Kind, ...] = (
    _kind("replica killed"),
    _kind("all replicas killed"),
    _kind("replica stopped", (0.5, 2.0), beyond_lease=True),
    _kind("ingest killed"),
    _kind("ingest stopped", _MOMENTS),
    _kind("redis killed"),
    _kind("redis killed, last second lost"),
    _kind("redis stopped", _MOMENTS),
    _kind("redis stopped, then killed, last second lost", (5.5, 7.0)),
    _kind("monitor network cut", _MOMENTS),
    _kind("monitor network silent", _MOMENTS),
    _kind("monitor network slow", _MOMENTS),
    _kind("monitor network throttled", _MOMENTS),
    _kind("monitor replies lost", _MOMENTS),
    _kind("ingest network cut", _MOMENTS),
    _kind("ingest network silent", _MOMENTS),
    _kind("ingest network slow", _MOMENTS),
    _kind("ingest network throttled", _MOMENTS),
    _kind("ingest replies lost", _MOMENTS),
    _kind("disk full", _MOMENTS, "mount"),
    _kind("disk full, then redis killed", (5.5, 7.0), "mount"),
    _kind("memory full", _MOMENTS),
    _kind("scripts flushed"),
    _kind("clock of redis stepped", _MOMENTS, "compiler"),
    _kind("clock of ingest stepped", _MOMENTS, "compiler"),
    _kind("clock of a replica stepped", _MOMENTS, "compiler", "plain"),
    _kind("controller killed", _AT_ONCE, "serve"),
    _kind("proxy killed", _AT_ONCE, "serve"),
    _kind("raylet killed", _AT_ONCE, "serve"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. ``dice``: the seed of its particulars (which replica, how much)."""

    kind: str
    lasts_s: float
    dice: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What goes wrong together, ``pause_s`` after the stream was live again."""

    pause_s: float
    faults: tuple[Fault, ...]

    @property
    def name(self) -> str:
        """Of its faults."""
        return " + ".join(fault.kind for fault in self.faults)


def possible(there: frozenset[str], only: Sequence[str] = ()) -> tuple[tuple[Kind, ...], tuple[Kind, ...]]:
    """The kinds that can be had with what is ``there``, and those wanted that cannot; ``only``: parts of names."""
    wanted = [kind for kind in KINDS if not only or any(part in kind.name for part in only)]
    mode = "plain" if "serve" in there else "serve"
    wanted = [kind for kind in wanted if mode not in kind.needs]
    return tuple(k for k in wanted if k.needs <= there), tuple(k for k in wanted if not k.needs <= there)


def moments(seed: int, kinds: Sequence[Kind], lease_s: float, *, twice: float = TWICE) -> Iterator[Moment]:
    """Moment after moment, without end; the same for the same arguments."""
    if not kinds:
        return
    dice = np.random.default_rng((seed, 7))
    deck: list[Kind] = []

    def draw() -> Fault:
        if not deck:
            deck.extend(kinds[i] for i in dice.permutation(len(kinds)))
        kind = deck.pop()
        lasts_s = float(dice.uniform(*kind.lasts_s)) + (lease_s if kind.beyond_lease else 0.0)
        return Fault(kind.name, round(lasts_s, 2), int(dice.integers(2**32)))

    while True:
        pause_s = round(float(dice.uniform(*PAUSE_S)), 2)
        first = draw()
        if dice.random() < twice and (second := draw()).kind != first.kind:
            yield Moment(pause_s, (first, second))
        else:
            yield Moment(pause_s, (first,))
