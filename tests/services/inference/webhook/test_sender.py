"""Senders against real receivers that fail, hang, refuse, redirect or are away."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import aiohttp
import pytest

from services.inference.api.alert_log import AlertLog
from services.inference.webhook.claim import Claim
from services.inference.webhook.sender import Receiver, Sender, lease_s
from services.inference.webhook.tally import Tally, WebhookCollector
from shared.redis.connection import Client
from shared.sections import WebhookSettings
from tests.services.inference.webhook.post_box import SECRET, SHARDS, PostBox, commit, open_box
from tests.waiting import until

QUICK = WebhookSettings(timeout_s=0.4, retry_first_s=0.02, retry_most_s=0.1)


@contextmanager
def sending(
    client: Client, urls: Sequence[str], settings: WebhookSettings = QUICK, *, begun: bool = True
) -> Iterator[list[Tally]]:
    """Senders to these addresses, in a thread of their own."""
    tallies = [Tally() for _ in urls]
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def work() -> None:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for number, (url, tally) in enumerate(zip(urls, tallies, strict=True)):
                claim = Claim(client, url, lease_ms=round(lease_s(settings) * 1000))
                receiver = Receiver(f"receiver {number}", url, SECRET)
                sender = Sender(receiver, settings, AlertLog(client, SHARDS), claim, tally)
                group.create_task(sender.run(session, stop))

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    try:
        if begun:
            until(lambda: all(tally.active for tally in tallies), "senders that hold their receivers")
            until(lambda: len(client.keys("selfmis:webhook:*:sent")) >= len(urls), "cursors")
        yield tallies
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
        loop.close()


def in_shard(keys: Sequence[str], shard: int) -> list[str]:
    return [key for key in keys if int(key[:32], 16) % SHARDS == shard]


def test_every_alert_arrives_signed_under_its_key_and_those_of_a_shard_in_order(client: Client) -> None:
    with open_box(PostBox()) as box, sending(client, [box.url]) as (tally,):
        keys = [commit(client, number) for number in range(40)]
        until(lambda: len(box.taken) == 40, "40 alerts")
        assert [in_shard(box.taken, shard) for shard in range(SHARDS)] == [
            in_shard(keys, shard) for shard in range(SHARDS)
        ]
        assert box.forged == 0
        assert {body["patient"] for body in box.bodies} == {f"p{number}" for number in range(40)}
        until(lambda: tally.waiting_since_ms is None, "nothing that waits")
        assert (tally.delivered, tally.failed) == (40, 0)


def test_a_redis_that_takes_no_writes_for_a_while_is_waited_for(client: Client) -> None:
    with open_box(PostBox()) as box, sending(client, [box.url, box.url + "?other"]) as tallies:
        commit(client, 1)
        until(lambda: len(box.taken) == 2, "an alert, to both")
        client.config_set("min-replicas-to-write", 1)
        try:
            until(lambda: not any(tally.active for tally in tallies), "senders that notice")
        finally:
            client.config_set("min-replicas-to-write", 0)
        commit(client, 2)
        until(lambda: len(box.taken) == 4, "another, to both")


def test_who_is_new_is_not_flooded_with_history_and_who_comes_back_misses_nothing(client: Client) -> None:
    commit(client, 1)
    with open_box(PostBox()) as box:
        with sending(client, [box.url]):
            first = commit(client, 2)
            until(lambda: box.taken == [first], "the alert since the start")
        second, third = commit(client, 3), commit(client, 4)
        with sending(client, [box.url]):
            until(lambda: sorted(box.taken) == [first, second, third], "what came meanwhile, and nothing twice")


def test_a_receiver_that_fails_hangs_or_restarts_gets_everything_in_the_end(client: Client) -> None:
    def moody(number: int, key: str) -> int:
        if number == 3:
            time.sleep(0.8)
        return (503, 500, 204, 301, 404)[number % 5]

    box = PostBox(moody)
    with open_box(box), sending(client, [box.url]) as (tally,):
        keys = [commit(client, number) for number in range(4)]
        until(lambda: set(keys) <= set(box.taken), "all, in spite of it")
        assert box.elsewhere == 0, "a redirect was followed"
        assert tally.failed > 4
    with sending(client, [box.url]) as (tally,):
        last = commit(client, 9)
        until(lambda: tally.failed > 2, "failures while it is away")
        families = {family.name: family for family in WebhookCollector([tally]).collect()}
        assert families["selfmis_webhook_lag_seconds"].samples[0].value > 0
        with open_box(box):
            until(lambda: last in box.taken, "the alert, once it is back")
    assert set(box.taken) == {*keys, last}


def test_a_receiver_that_hangs_holds_no_other_up(client: Client) -> None:
    released = threading.Event()

    def hanging(number: int, key: str) -> int:
        released.wait(20)
        return 500

    with open_box(PostBox(hanging)) as bad, open_box(PostBox()) as good, sending(client, [bad.url, good.url]):
        keys = [commit(client, number) for number in range(30)]
        until(lambda: sorted(good.taken) == keys, "all alerts at the good one")
        assert not bad.taken
        released.set()


def test_an_alert_that_the_receiver_calls_unacceptable_is_given_up_and_the_next_one_comes(client: Client) -> None:
    refused: list[str] = []

    def picky(number: int, key: str) -> int:
        return 422 if key in refused else 204

    with open_box(PostBox(picky)) as box, sending(client, [box.url]) as (tally,):
        refused.append(f"{1:032x}-began")
        commit(client, 1)
        good = commit(client, 2)
        until(lambda: box.taken == [good], "the next one")
        assert tally.given_up == 1
        assert box.keys.count(refused[0]) == 5


def test_an_alert_that_has_become_too_old_is_tried_once_more_and_given_up(client: Client) -> None:
    settings = QUICK.model_copy(update={"give_up_s": 0.3})
    with sending(client, ["http://127.0.0.1:9/"], settings) as (tally,):
        commit(client, 1)
        until(lambda: tally.given_up == 1, "an end")
        assert tally.failed > 1


def test_of_two_senders_one_sends_and_the_other_goes_on_where_it_stops(client: Client) -> None:
    with open_box(PostBox()) as box, ExitStack() as second:
        with sending(client, [box.url]):
            (waiting,) = second.enter_context(sending(client, [box.url], begun=False))
            keys = [commit(client, number) for number in range(20)]
            until(lambda: len(box.taken) == 20, "20 alerts")
            assert not waiting.active
        keys.append(commit(client, 20))
        until(lambda: sorted(box.taken) == keys, "the last, by the other sender")


@pytest.fixture(autouse=True)
def _silent(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    yield lambda: caplog.text
    assert "/alerts" not in caplog.text, "an address may hold a secret"
