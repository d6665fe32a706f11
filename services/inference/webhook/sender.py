"""Sends alerts to one receiver, one after the other, each until it is settled.

What is sent comes from the committed log behind the receiver's cursor, a page at a time: nothing is queued in
memory, however long a receiver is away. Each receiver has a sender of its own, so none waits for another.
"""

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from redis.exceptions import ResponseError

from services.inference.api.alert_log import AlertLog, Logged
from services.inference.api.cursor import Cursor
from services.inference.commit.store import TRANSIENT, transient
from services.inference.webhook.claim import Claim
from services.inference.webhook.signing import HEADER, signature
from services.inference.webhook.tally import Tally
from services.inference.webhook.trying import Verdict, delay_s, judge
from shared.sections import WebhookSettings

log = logging.getLogger(__name__)

PAGE = 50
BLOCK_MS = 500
KEY_HEADER = "Idempotency-Key"
_REDIS_PAUSE_S = 1.0

T = TypeVar("T")


class Superseded(Exception):
    """Another sender has the receiver now."""


def lease_s(settings: WebhookSettings) -> float:
    """Longer than a try may take, so that a living sender is not taken for dead."""
    return 2 * settings.timeout_s + 1


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is sent to. ``name``: for logs, which must not show the address."""

    name: str
    url: str
    secret: str


class Sender:
    """The sender of one receiver; belongs to one event loop. Redis is asked in a thread of its own."""

    def __init__(
        self, receiver: Receiver, settings: WebhookSettings, alerts: AlertLog, claim: Claim, tally: Tally
    ) -> None:
        self._receiver, self._settings, self._tally = receiver, settings, tally
        self._alerts, self._claim = alerts, claim
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=receiver.name)
        self._kept_s = 0.0
        self._failures = 0

    async def run(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        """Send until ``stop``; outlives failures of the receiver and of Redis. Gives the lease back at the end."""
        try:
            while not stop.is_set():
                try:
                    if await self._in_thread(self._claim.take):
                        self._tally.active = True
                        await self._follow(session, stop)
                    else:
                        await _pause(stop, lease_s(self._settings) / 3)
                except Superseded:
                    log.warning("%s: another sender has taken over", self._receiver.name)
                except (*TRANSIENT, ResponseError) as error:
                    if not transient(error):
                        raise
                    log.warning("Redis does not answer, or takes nothing (%s); trying again", _line(error))
                    await _pause(stop, _REDIS_PAUSE_S)
                finally:
                    self._tally.active = False
                    self._tally.waiting_since_ms = None
        finally:
            try:
                await self._in_thread(self._claim.release)
            except (*TRANSIENT, ResponseError) as error:
                if not transient(error):
                    raise
                log.warning("%s: the lease was not given back, it runs out", self._receiver.name)
            self._thread.shutdown()

    async def _follow(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        self._kept_s = time.monotonic()
        cursor = await self._in_thread(lambda: self._claim.cursor(self._alerts))
        if cursor is None:
            raise Superseded
        while not stop.is_set():
            for row in await self._next(cursor):
                self._tally.waiting_since_ms = row.id[0]
                if not await self._settle(row, session, stop):
                    return
                cursor = cursor.moved(row.shard, row.id)
            self._tally.waiting_since_ms = None

    async def _next(self, cursor: Cursor) -> list[Logged]:
        """The first alerts behind the cursor; waits a moment where there are none."""
        rows, _ = await self._in_thread(lambda: self._alerts.onward(cursor, PAGE))
        if rows:
            return rows
        await self._keep()
        if self._alerts.polls:
            await asyncio.sleep(BLOCK_MS / 1000)
            return []
        # One alert ends the wait; the page is then read in order.
        await self._in_thread(lambda: self._alerts.wait(cursor, BLOCK_MS))
        return []

    async def _settle(self, row: Logged, session: aiohttp.ClientSession, stop: asyncio.Event) -> bool:
        """Try until the receiver has it, or it is given up; False when told to stop before that."""
        tries = 0
        while not stop.is_set():
            await self._keep()
            status = await self._post(row, session)
            tries += 1
            age_s = time.time() - row.id[0] / 1000
            verdict = judge(status, tries, age_s, self._settings.give_up_s)
            self._noted(verdict, status, row)
            if verdict is not Verdict.AGAIN:
                if not await self._in_thread(lambda: self._claim.settled(row.shard, row.id)):
                    raise Superseded
                self._kept_s = time.monotonic()
            if verdict is Verdict.DELIVERED:
                return True
            await self._back_off(stop)
            if verdict is Verdict.GIVEN_UP:
                return True
        return False

    async def _back_off(self, stop: asyncio.Event) -> None:
        until_s = time.monotonic() + delay_s(self._failures, self._settings, random.random)
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            await _pause(stop, min(left_s, lease_s(self._settings) / 4))
            await self._keep()

    async def _post(self, row: Logged, session: aiohttp.ClientSession) -> int | None:
        """One try; the status of the answer, None where none came."""
        body = row.view()
        said = json.loads(row.body)
        headers = {
            "Content-Type": "application/json",
            KEY_HEADER: f"{said['id']}-{said['transition']}",
            HEADER: signature(self._receiver.secret, body, int(time.time())),
        }
        limit = aiohttp.ClientTimeout(total=self._settings.timeout_s)
        try:
            async with session.post(
                self._receiver.url, data=body, headers=headers, allow_redirects=False, timeout=limit
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.debug("%s: %s", self._receiver.name, type(error).__name__)
            return None

    def _noted(self, verdict: Verdict, status: int | None, row: Logged) -> None:
        name = self._receiver.name
        if verdict is Verdict.DELIVERED:
            if self._failures:
                log.warning("%s takes alerts again, after %d failures", name, self._failures)
            self._failures = 0
            self._tally.delivered += 1
            return
        self._failures += 1
        self._tally.failed += 1
        if self._failures == 1:
            what = "does not answer" if status is None else f"answers {status}"
            log.warning("%s %s; trying again, ever more rarely", name, what)
        if verdict is Verdict.GIVEN_UP:
            self._tally.given_up += 1
            log.error("%s: alert %d-%d of shard %d is given up", name, *row.id, row.shard)

    async def _keep(self) -> None:
        """Keep the lease; raises `Superseded` where it is another's."""
        if time.monotonic() - self._kept_s < lease_s(self._settings) / 4:
            return
        if not await self._in_thread(self._claim.take):
            raise Superseded
        self._kept_s = time.monotonic()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
