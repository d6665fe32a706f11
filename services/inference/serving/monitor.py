"""The `Monitor` replica: one pull loop in a thread, kept alive, reconfigured and released by Ray Serve.

Nobody calls a replica; it pulls. So Serve's part is to keep so many of them running: a replica whose loop is
dead or stuck fails its health check and is replaced, one that is asked to leave finishes its step and gives its
shards back. Correctness does not depend on any of that: leases and commits hold under SIGKILL.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ray import serve

from services.inference.engine import Engine, open_engine
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.shard import ShardRules
from services.inference.monitor.worker import Worker
from services.inference.serving.user_config import Changed, changed
from shared.artefact import load as load_model
from shared.artefact import shipped, under
from shared.errors import SelfmisError
from shared.settings import Settings
from shared.settings import load as load_settings

log = logging.getLogger("ray.serve")

STOP_S = 20.0


class Monitor:
    """One replica. ``overrides``: settings as ``section.key=value``; others come from the process' environment.

    ``model`` is a model folder, None for the shipped one.

    The loop starts with Serve's first health check, which comes after the first `reconfigure`: so no window is
    judged by rules that the config replaces.
    """

    def __init__(self, url: str | None, model: str | None, overrides: Sequence[str]) -> None:
        self._overrides = tuple(overrides)
        settings = load_settings(overrides=self._overrides).settings
        where = url or settings.redis.url
        if where is None:
            raise SelfmisError("a Monitor needs a Redis: set redis.url (SELFMIS_REDIS_URL)")
        self._args_model = self._model = model or str(shipped(settings.window.lead))
        replica = serve.get_replica_context().replica_id.unique_id
        self._engine = _engine(self._model, settings)
        loop = PullLoop(where, under(settings, self._engine.model.manifest.alarm), replica, self._engine)
        self._worker = Worker(loop)
        self._measured = (time.monotonic(), 0.0)

    def reconfigure(self, config: Mapping[str, Any]) -> None:
        """``user_config`` (see `services.inference.serving.user_config`), in force from the next step on.

        An impossible one stops a replica that starts. One that runs refuses it, says so, and goes on as before:
        Serve would replace every replica that raises here, and a slip of the pen would silence the ward.
        """
        try:
            self._adopt(changed(config, self._overrides))
        except SelfmisError as refusal:
            if not self._worker.started:
                raise
            self._worker.loop.pulse.refused = str(refusal)
            log.error("this user_config is refused, what was in force stays: %s", refusal)

    def check_health(self) -> None:
        """Raises when the loop is dead or hangs; Serve then replaces this replica. The first one starts it."""
        self._worker.start()
        self._worker.check()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """For `services.inference.serving.scaling`: how late entries are read, and the loop's busy share since
        the last call. Serve asks where autoscaling is configured, and only then."""
        pulse, (since, before) = self._worker.loop.pulse, self._measured
        self._measured = now, work = time.monotonic(), pulse.stage.work
        busy = (work - before) / (now - since) if now > since else 0.0
        return {"lag_s": pulse.lag_s, "busy": min(1.0, busy)}

    def pulse(self) -> dict[str, Any]:
        """What this process can say of itself; for the benchmarks."""
        pulse = self._worker.loop.pulse
        return {"windows": pulse.windows, "steps": pulse.steps, "shards": pulse.shards, "reloads": pulse.reloads}

    async def __del__(self) -> None:
        """Asked to leave: finish the step, commit, give the leases back."""
        worker = getattr(self, "_worker", None)  # the constructor may have failed
        if worker is not None and not await asyncio.to_thread(worker.stop, STOP_S):
            log.error("the step under way did not end in %.0f s; its leases run out by themselves", STOP_S)

    def _adopt(self, wanted: Changed) -> None:
        settings, model = wanted.settings, wanted.model or self._args_model
        engine = self._engine if model == self._model else _engine(model, settings)
        rules = ShardRules.of(under(settings, engine.model.manifest.alarm))
        self._worker.loop.reconfigure(rules, None if engine is self._engine else engine)
        self._model, self._engine = model, engine
        self._worker.loop.pulse.refused = None


def _engine(model: str, settings: Settings) -> Engine:
    return open_engine(load_model(model, expect_lead=settings.window.lead), settings.engine)
