"""The transition table: for every phase and trigger, where an alarm goes and what is announced.

A pair that is not here changes nothing; a person's command that changes nothing is refused, see `commands`.
docs/alarms.md shows this table, written by `markdown`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from services.inference.alarms.terms import Phase, Transition, Trigger


class Move(NamedTuple):
    """The phase after a trigger, and the alert, if any."""

    to: Phase
    says: Transition | None


Table = Mapping[tuple[Phase, Trigger], Move]

_ACTIVE_ALIKE: dict[Trigger, Move] = {
    Trigger.END: Move(Phase.REFRACTORY, Transition.ENDED),
    # Straight to idle: neither a mute nor an absence may hide, for the refractory time, what it does not cover.
    Trigger.MUTE: Move(Phase.IDLE, Transition.ENDED),
    Trigger.LEAVE: Move(Phase.IDLE, Transition.ENDED),
}

LATCHING: Final[Table] = MappingProxyType(
    {
        (Phase.IDLE, Trigger.PRESENT): Move(Phase.RAISED, Transition.BEGAN),
        (Phase.RAISED, Trigger.WORSE): Move(Phase.RAISED, Transition.ESCALATED),
        (Phase.RAISED, Trigger.RETYPED): Move(Phase.RAISED, Transition.UPDATED),
        (Phase.RAISED, Trigger.GONE): Move(Phase.LATCHED, Transition.CLEARED),
        (Phase.RAISED, Trigger.DUE): Move(Phase.RAISED, Transition.ESCALATED),
        (Phase.RAISED, Trigger.ACKNOWLEDGE): Move(Phase.ACKNOWLEDGED, Transition.ACKNOWLEDGED),
        **{(Phase.RAISED, trigger): move for trigger, move in _ACTIVE_ALIKE.items()},
        (Phase.LATCHED, Trigger.PRESENT): Move(Phase.RAISED, Transition.RECURRED),
        (Phase.LATCHED, Trigger.DUE): Move(Phase.REFRACTORY, Transition.ENDED),
        (Phase.LATCHED, Trigger.ACKNOWLEDGE): Move(Phase.REFRACTORY, Transition.ENDED),
        **{(Phase.LATCHED, trigger): move for trigger, move in _ACTIVE_ALIKE.items()},
        (Phase.ACKNOWLEDGED, Trigger.WORSE): Move(Phase.RAISED, Transition.ESCALATED),
        (Phase.ACKNOWLEDGED, Trigger.RETYPED): Move(Phase.ACKNOWLEDGED, Transition.UPDATED),
        (Phase.ACKNOWLEDGED, Trigger.GONE): Move(Phase.REFRACTORY, Transition.ENDED),
        **{(Phase.ACKNOWLEDGED, trigger): move for trigger, move in _ACTIVE_ALIKE.items()},
        (Phase.REFRACTORY, Trigger.WORSE): Move(Phase.RAISED, Transition.BEGAN),
        (Phase.REFRACTORY, Trigger.DUE): Move(Phase.IDLE, None),
        (Phase.REFRACTORY, Trigger.LEAVE): Move(Phase.IDLE, None),
    }
)
"""Physiological alarms: a condition that goes away unseen stays until somebody has seen it."""

NOT_LATCHING: Final[Table] = MappingProxyType(
    {pair: move for pair, move in LATCHING.items() if pair[0] is not Phase.LATCHED}
    | {(Phase.RAISED, Trigger.GONE): Move(Phase.REFRACTORY, Transition.ENDED)}
)
"""Technical alarms: a lead that is back on needs nobody's attention."""


def table(latching: bool) -> Table:
    """The table of one sort of alarm."""
    return LATCHING if latching else NOT_LATCHING


def markdown(moves: Table) -> str:
    """A table as Markdown: a row a phase, a column a trigger, ``phase`` or ``phase: alert`` in the cells."""
    phases = [phase for phase in Phase if any(pair[0] is phase for pair in moves)]
    lines = [
        "| | " + " | ".join(trigger.value for trigger in Trigger) + " |",
        "|---" * (len(Trigger) + 1) + "|",
    ]
    for phase in phases:
        cells = [_cell(moves.get((phase, trigger))) for trigger in Trigger]
        lines.append(f"| **{phase.label}** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(move: Move | None) -> str:
    if move is None:
        return "–"
    return move.to.label if move.says is None else f"{move.to.label}: *{move.says.value}*"
