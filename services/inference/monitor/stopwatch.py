"""Times the stages of one step: processor time and elapsed time, each stage without those inside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.inference.monitor.pulse import Pulse


class Stopwatch:
    """One step's. ``cpu`` and ``clock`` in seconds. A stage that raises is not told: the step is done again."""

    def __init__(self, cpu: Callable[[], float], clock: Callable[[], float]) -> None:
        self._cpu, self._clock = cpu, clock
        self.cpu_s: dict[str, float] = {}
        self.elapsed_s: dict[str, float] = {}
        self._inner = (0.0, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What the block costs is this stage's, but for what stages inside it take."""
        outer, self._inner = self._inner, (0.0, 0.0)
        cpu, clock = self._cpu(), self._clock()
        try:
            yield
        finally:
            cpu, clock = self._cpu() - cpu, self._clock() - clock
            inner, self._inner = self._inner, (outer[0] + cpu, outer[1] + clock)
        self.cpu_s[name] = self.cpu_s.get(name, 0.0) + cpu - inner[0]
        self.elapsed_s[name] = self.elapsed_s.get(name, 0.0) + clock - inner[1]

    def tell(self, pulse: Pulse, *, worked: bool) -> None:
        """Add it to a pulse. Turns without anything to do are no measure of how long steps take."""
        for name, seconds in self.cpu_s.items():
            setattr(pulse.stage, name, getattr(pulse.stage, name) + seconds)
        if worked:
            for name in pulse.took.keys() & self.elapsed_s.keys():
                pulse.took[name].count(self.elapsed_s[name])
