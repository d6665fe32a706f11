"""The program killed with -9 in the midst of sending: every alert arrives, and the keys are those committed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shared.redis.connection import Client
from tests.services.inference.webhook.post_box import SECRET, SHARDS, PostBox, commit, open_box
from tests.waiting import until


@contextmanager
def program(redis_url: str, receiver: str) -> Iterator["subprocess.Popen[bytes]"]:
    settings = (
        f"redis.url={redis_url}", f"stream.shards={SHARDS}", f"webhook.url={receiver}", "webhook.metrics_port=0",
        "webhook.timeout_s=0.4", "webhook.retry_first_s=0.02", "webhook.retry_most_s=0.2",
    )  # fmt: skip
    command = [sys.executable, "-m", "services.inference.webhook.command"]
    command += [part for setting in settings for part in ("--set", setting)]
    environ = {**os.environ, "SELFMIS_WEBHOOK_SECRET": SECRET}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            assert b"1 receiver" in running.stdout.readline()
            yield running
        finally:
            running.kill()


def test_senders_that_are_killed_lose_no_alert(client: Client, redis_url: str) -> None:
    def flaky(number: int, key: str) -> int:
        return 503 if number % 7 == 0 else 204

    keys: list[str] = []
    with open_box(PostBox(flaky)) as box:
        for _ in range(2):
            with program(redis_url, box.url) as running:
                until(lambda: client.keys("selfmis:webhook:*:sent"), "a cursor")
                before = len(set(box.taken))
                keys += [commit(client, number) for number in range(len(keys), len(keys) + 60)]
                until(lambda: len(set(box.taken)) > before + 10, "some of them")  # noqa: B023 - called at once
                os.kill(running.pid, signal.SIGKILL)
        with program(redis_url, box.url) as running:
            until(lambda: set(keys) <= set(box.taken), "all of them")
            running.send_signal(signal.SIGTERM)
            assert running.wait(10) == 0
    assert set(box.taken) == set(keys)
    assert box.forged == 0
    assert len(box.taken) <= len(keys) + 3, "a kill repeats what was on its way, not more"
