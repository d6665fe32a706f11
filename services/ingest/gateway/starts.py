"""When a session began: one answer for all gateways and restarts, kept in Redis.

A session has one start, for windows are cut by it. The first who names it, or the gateway
that sees a session's first frame without one, writes it (``SET NX``); everybody else adopts it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from redis.exceptions import RedisClusterException, RedisError

from services.ingest.gateway.refusal import Refusal
from shared.redis.connection import AsyncClient
from shared.shards import session_start_key, shard_of

# (patient id as a header holds it, session id)
Session = tuple[bytes, int]

REMEMBERED = 100_000
# Asking again renews the key's time limit and tells a Redis that lost it.
ASK_AGAIN_S = 300.0


@dataclass(frozen=True, slots=True)
class _Known:
    start_us: int
    generation: int
    until: float


class SessionStarts:
    """Agrees on the start of sessions; remembers the latest `REMEMBERED` of them.

    ``generation`` changes whenever Redis came back as another process: then it is asked
    (and told) again, for a start that it confirmed in its last second may be gone.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        shards: int,
        memory_s: float,
        generation: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._shards = shards
        self._memory_s = max(1, int(memory_s))
        self._generation = generation
        self._clock = clock
        self._known: OrderedDict[Session, _Known] = OrderedDict()

    async def agree(self, proposed: Mapping[Session, int]) -> dict[Session, int]:
        """The start (microseconds) that stands for each session, which is the proposed one if there was none.

        Costs one pipeline for the sessions not met lately; `Refusal` 503 if Redis does not answer.
        """
        now, generation = self._clock(), self._generation()
        standing: dict[Session, int] = {}
        asked: dict[Session, int] = {}
        for session, start_us in proposed.items():
            known = self._known.get(session)
            if known is not None and known.generation == generation and now < known.until:
                standing[session] = known.start_us
                self._known.move_to_end(session)
            else:
                asked[session] = start_us if known is None else known.start_us
        if asked:
            answered = await self._ask(asked)
            for session, start_us in answered.items():
                self._known[session] = _Known(start_us, generation, now + min(ASK_AGAIN_S, self._memory_s / 2))
                self._known.move_to_end(session)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            standing |= answered
        return standing

    async def _ask(self, asked: Mapping[Session, int]) -> dict[Session, int]:
        pipe = self._client.pipeline(transaction=False)
        for (patient, session), start_us in asked.items():
            key = session_start_key(shard_of(patient, self._shards), patient, session)
            pipe.set(key, str(start_us), nx=True, ex=self._memory_s)
            pipe.expire(key, self._memory_s)
            pipe.get(key)
        try:
            replies = await pipe.execute()
            return {session: int(reply) for session, reply in zip(asked, replies[2::3], strict=True)}
        except (RedisError, RedisClusterException, OSError):
            raise Refusal(503, "redis", "Redis does not answer: send it again", retry_after_s=1) from None
        except (TypeError, ValueError):  # expired between two commands, or not a number: somebody else's key
            raise Refusal(
                503, "redis", "Redis gave no start of a session: send it again", retry_after_s=1
            ) from None
