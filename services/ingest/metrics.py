"""Prometheus metrics of an ingest process: a collector over the sender's tally, in a registry of its own."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.ingest.outbox import Ticket
from services.ingest.sender import Sender

LATENESS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
REASONS = ("lag", "memory")


class SenderCollector(Collector):
    """What the sender has done and where it stands, read when scraped."""

    def __init__(self, sender: Sender, patients: Callable[[], int]) -> None:
        self._sender = sender
        self._patients = patients

    def collect(self) -> Iterator[Metric]:
        """The families, freshly read."""
        tally = self._sender.tally
        frames = CounterMetricFamily(
            "selfmis_ingest_frames",
            "Frames by outcome: confirmed by Redis, dropped by policy, sent again after a restart of Redis.",
            labels=["outcome"],
        )
        frames.add_metric(["confirmed"], tally.frames_confirmed)
        frames.add_metric(["dropped"], tally.frames_dropped)
        frames.add_metric(["sent_again"], tally.frames_sent_again)
        yield frames
        yield _counter("entries", "Stream entries that Redis confirmed.", tally.entries)
        yield _counter("bytes", "Bytes of record batches that Redis confirmed.", tally.bytes)
        yield _counter("reconnects", "Times that Redis came back as another process.", tally.reconnects)
        yield _counter(
            "trimmed_entries", "Stream entries trimmed because nobody needs them.", tally.trimmed_entries
        )
        held = CounterMetricFamily(
            "selfmis_ingest_held_seconds", "Time spent holding frames back, by reason.", labels=["reason"]
        )
        for reason in REASONS:
            held.add_metric([reason], tally.held_seconds[reason])
        yield held
        yield _gauge("patients", "Patients that this process streams.", self._patients())
        yield _gauge(
            "buffered_bytes", "Bytes of frames that Redis has not confirmed.", self._sender.buffered_bytes
        )
        yield _gauge("redis_memory_bytes", "Memory that Redis uses.", tally.redis_memory_bytes)
        yield _gauge("holding_back", "1 while frames are held back.", 0 if tally.held is None else 1)
        if tally.readings.lag_s is not None:
            yield _gauge("lag_seconds", "How far the slowest consumer is behind.", tally.readings.lag_s)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"selfmis_ingest_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"selfmis_ingest_{name}", text, value=value)


class LatenessHistogram:
    """Histogram of the time from a frame being due to Redis confirming it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._histogram = Histogram(
            "selfmis_ingest_lateness_seconds",
            "Time from an offer being due to Redis confirming it; counts offers (many frames each).",
            buckets=LATENESS_BUCKETS,
            registry=registry,
        )

    def note(self, ticket: Ticket, now_s: float) -> None:
        """The sender's ``on_confirm``. Offers without a due time (as fast as possible) do not count."""
        if ticket.due_s:
            self._histogram.observe(max(0.0, now_s - ticket.due_s))
