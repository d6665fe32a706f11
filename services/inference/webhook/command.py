"""`selfmis webhook`: post each committed alert, signed, to every address in ``webhook.url``."""

import asyncio
import logging
import signal
from collections.abc import Sequence

import aiohttp
from prometheus_client import CollectorRegistry

from services.inference.api.alert_log import AlertLog
from services.inference.webhook.claim import Claim
from services.inference.webhook.sender import Receiver, Sender, lease_s
from services.inference.webhook.tally import Tally, WebhookCollector
from shared.command import DONE, Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError
from shared.metrics_port import served
from shared.pinning import pin
from shared.redis.connection import Client, connect
from shared.redis.embedded import resolve
from shared.settings import Settings

AGENT = "selfmis-monitor"


def main(argv: Sequence[str]) -> int:
    """Post each committed alert, signed, to every address in webhook.url, until Ctrl-C.

    Any number of these may run; for each address one of them sends, and another takes over when it dies.
    """
    parser = Parser(prog="selfmis webhook", description=main.__doc__)
    settings_arguments(parser)
    settings = settings_from(parser.parse_args(argv))
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    if not settings.webhook.urls:
        raise SelfmisError("webhook: no address to send to: set webhook.url (SELFMIS_WEBHOOK_URL)")
    tallies = [Tally() for _ in settings.webhook.urls]
    registry = CollectorRegistry()
    registry.register(WebhookCollector(tallies))
    port = settings.webhook.metrics_port
    with (
        resolve(settings.redis) as url,
        connect(url, timeout_s=settings.redis.timeout_s) as client,
        served(registry, settings.webhook.metrics_host, port, setting="webhook.metrics_port"),
    ):
        pin(client, settings.stream.shards)
        print(f"webhook: alerts go to {len(tallies)} receiver(s). Ctrl-C stops it.", flush=True)
        asyncio.run(_until_signalled(settings, client, tallies))
    print(f"webhook: stopped; {sum(tally.delivered for tally in tallies)} alerts delivered", flush=True)
    return DONE


async def _until_signalled(settings: Settings, client: Client, tallies: Sequence[Tally]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    hook = settings.webhook
    secret = hook.secret.get_secret_value() if hook.secret else ""
    # No cookies are kept, no proxy is taken from the environment, certificates are verified.
    async with (
        aiohttp.ClientSession(headers={"User-Agent": AGENT}, cookie_jar=aiohttp.DummyCookieJar()) as session,
        asyncio.TaskGroup() as senders,
    ):
        for place, (url, tally) in enumerate(zip(hook.urls, tallies, strict=True), 1):
            claim = Claim(client, url, lease_ms=round(lease_s(hook) * 1000))
            alerts = AlertLog(client, settings.stream.shards)
            receiver = Receiver(f"receiver {place}", url, secret)
            senders.create_task(Sender(receiver, hook, alerts, claim, tally).run(session, stop))


if __name__ == "__main__":
    raise SystemExit(run(main))
