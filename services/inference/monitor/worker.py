"""A pull loop in a thread of its own, and the two questions asked of it: does it live, and will it end.

Whoever keeps replicas running (Ray Serve) asks `check`; a dead or hanging loop is for replacing.
"""

import logging
import threading
import time
from collections.abc import Callable

from services.inference.monitor.pull import PullLoop
from shared.errors import SelfmisError

log = logging.getLogger(__name__)

# A step takes well under a second; a loop that was silent this long hangs.
SILENT_S = 30.0


class LoopDead(SelfmisError):
    """The pull loop of this replica has ended or hangs."""


class Worker:
    """Runs a loop once. ``clock`` must be the loop's own."""

    def __init__(self, loop: PullLoop, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.loop = loop
        self._clock = clock
        self._failure: BaseException | None = None
        # A daemon: a hanging loop must not keep the process of a replica that is given up.
        self._thread = threading.Thread(target=self._run, name="pull", daemon=True)

    @property
    def started(self) -> bool:
        """Whether it ever ran."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin; once begun, nothing happens."""
        if not self.started:
            self.loop.pulse.beat_s = self._clock()
            self._thread.start()

    def check(self) -> None:
        """Raises `LoopDead`, one line, when the loop is dead or hangs. Costs nothing."""
        if not self._thread.is_alive():
            raise LoopDead(f"the pull loop has ended: {_in_a_line(self._failure)}")
        silent = self._clock() - self.loop.pulse.beat_s
        if silent > SILENT_S:
            raise LoopDead(f"the pull loop was silent for {silent:.0f} s")

    def stop(self, within_s: float) -> bool:
        """Let it finish its step, commit and give its leases back; whether it did so in time. Blocks."""
        self.loop.stop()
        if self.started:
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.loop.run()
        except BaseException as error:
            self._failure = error
            if isinstance(error, SelfmisError):
                log.error("the pull loop ends: %s", error)
            else:
                log.exception("the pull loop ends")


def _in_a_line(failure: BaseException | None) -> str:
    if failure is None:
        return "it was stopped"
    words = " ".join(str(failure).split())[:300]
    return words if isinstance(failure, SelfmisError) else f"{type(failure).__name__}: {words}"
