"""What the senders of this process have done, as Prometheus metrics. Receivers are numbered as in the settings."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


@dataclass(slots=True)
class Tally:
    """Of one receiver. ``waiting_since_ms``: when the oldest alert not settled was committed, None without one."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    active: bool = False
    waiting_since_ms: int | None = None


class WebhookCollector(Collector):
    """The tallies, read when scraped."""

    def __init__(self, tallies: Sequence[Tally], *, clock: Callable[[], float] = time.time) -> None:
        self._tallies, self._clock = tallies, clock

    def collect(self) -> Iterator[Metric]:
        """The families."""
        sent = CounterMetricFamily(
            "selfmis_webhook_alerts", "Alerts settled: delivered, or given up.", labels=["receiver", "outcome"]
        )
        failed = CounterMetricFamily("selfmis_webhook_failures", "Tries that failed.", labels=["receiver"])
        lag = GaugeMetricFamily(
            "selfmis_webhook_lag_seconds", "Age of the oldest alert that is not settled.", labels=["receiver"]
        )
        active = GaugeMetricFamily(
            "selfmis_webhook_active", "1 where this process is the one that sends.", labels=["receiver"]
        )
        for number, tally in enumerate(self._tallies, 1):
            receiver = str(number)
            sent.add_metric([receiver, "delivered"], tally.delivered)
            sent.add_metric([receiver, "given_up"], tally.given_up)
            failed.add_metric([receiver], tally.failed)
            since = tally.waiting_since_ms
            lag.add_metric([receiver], 0.0 if since is None else max(0.0, self._clock() - since / 1000))
            active.add_metric([receiver], float(tally.active))
        yield from (sent, failed, lag, active)
