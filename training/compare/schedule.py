"""Which unit is next, and what cannot be done any more because something it needs is broken."""

from collections.abc import Iterable, Sequence

from training.compare.units import Unit


class Schedule:
    """The units that are left, in an order in which each comes after those it needs.

    ``done`` are there already. A unit is taken once, by `take`, and ends in `finished` or `failed`.
    """

    def __init__(self, units: Sequence[Unit], done: Iterable[str] = ()) -> None:
        self._done = set(done)
        self._waiting = [unit for unit in units if unit.name not in self._done]
        self._running: set[str] = set()
        self.failures: dict[str, str] = {}
        """Why each unit that failed, or that needs one that did, will not be there."""

    def take(self) -> Unit | None:
        """A unit whose needs are met, the first in order; None while there is none."""
        for unit in self._waiting:
            if all(name in self._done for name in unit.needs):
                self._waiting.remove(unit)
                self._running.add(unit.name)
                return unit
        return None

    def finished(self, name: str) -> None:
        """It is there."""
        self._running.discard(name)
        self._done.add(name)

    def failed(self, name: str, why: str) -> None:
        """It will not be there, and neither will what needs it."""
        self._running.discard(name)
        self.failures[name] = why
        lost = True
        while lost:
            lost = False
            for unit in [*self._waiting]:
                broken = next((need for need in unit.needs if need in self.failures), None)
                if broken is not None:
                    self._waiting.remove(unit)
                    self.failures[unit.name] = f"needs {broken}, which failed"
                    lost = True

    @property
    def over(self) -> bool:
        """Whether nothing is left to take or to wait for."""
        return not self._waiting and not self._running
