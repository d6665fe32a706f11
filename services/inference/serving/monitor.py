"""The `Monitor` replica: one pull loop in a thread, kept alive, reconfigured and released by Ray Serve.

Nobody calls a replica; it pulls. So Serve's part is to keep so many of them running: a replica whose loop is
dead or stuck fails its health check and is replaced, one that is asked to leave finishes its step and gives its
shards back. Correctness does not depend on any of that: leases and commits hold under SIGKILL.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ray import serve

from services.inference.engine import open_engine
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.shard import ShardRules
from shared.artefact import load as load_model
from shared.errors import SelfmisError
from shared.settings import load as load_settings

log = logging.getLogger("ray.serve")

# A step takes well under a second; a loop that was silent this long hangs.
SILENT_S = 30.0
STOP_S = 20.0


class LoopDead(SelfmisError):
    """The pull loop of this replica has ended or hangs."""


class Monitor:
    """One replica. ``overrides``: settings as ``section.key=value``; others come from the process' environment."""

    def __init__(self, url: str | None, model: str, overrides: Sequence[str]) -> None:
        self._overrides = tuple(overrides)
        settings = load_settings(overrides=self._overrides).settings
        where = url or settings.redis.url
        if where is None:
            raise SelfmisError("a Monitor needs a Redis: set redis.url (SELFMIS_REDIS_URL)")
        self._model = model
        engine = open_engine(load_model(model, expect_lead=settings.window.lead), settings.engine)
        replica = serve.get_replica_context().replica_id.unique_id
        self._loop = PullLoop(where, settings, replica, engine)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pull", daemon=True)
        self._thread.start()

    def reconfigure(self, config: Mapping[str, Any]) -> None:
        """``user_config``: ``alarm`` rules and ``model`` (a folder), in force from the next step on."""
        extra = [f"alarm.{key}={value}" for key, value in (config.get("alarm") or {}).items()]
        settings = load_settings(overrides=[*self._overrides, *extra]).settings
        model, engine = config.get("model") or self._model, None
        if model != self._model:
            engine = open_engine(load_model(model, expect_lead=settings.window.lead), settings.engine)
            self._model = model
        self._loop.reconfigure(ShardRules.of(settings), engine)

    def check_health(self) -> None:
        """Raises when the loop is dead or hangs; Serve then replaces this replica."""
        if not self._thread.is_alive():
            raise LoopDead(f"the pull loop has ended: {self._failure or 'without a word'}")
        silent = time.monotonic() - self._loop.pulse.beat_s
        if silent > SILENT_S:
            raise LoopDead(f"the pull loop was silent for {silent:.0f} s")

    def pulse(self) -> dict[str, Any]:
        """What this process can say of itself; for the benchmarks."""
        pulse = self._loop.pulse
        return {"windows": pulse.windows, "steps": pulse.steps, "shards": pulse.shards, "reloads": pulse.reloads}

    async def __del__(self) -> None:
        """Asked to leave: finish the step, commit, give the leases back."""
        loop = getattr(self, "_loop", None)
        if loop is not None:
            loop.stop()
            await asyncio.to_thread(self._thread.join, STOP_S)

    def _run(self) -> None:
        try:
            self._loop.run()
        except BaseException as error:
            self._failure = error
            log.exception("the pull loop ends")
