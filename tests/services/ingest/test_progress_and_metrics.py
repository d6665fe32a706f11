"""What a person and Prometheus see of a running ingest process."""

import io
import re
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from services.ingest.metrics import LatenessHistogram, SenderCollector
from services.ingest.outbox import Ticket
from services.ingest.pressure import Readings
from services.ingest.progress import LiveLine, line
from services.ingest.runner import Lateness, Progress
from services.ingest.sender import Sender
from shared.metrics_port import served
from shared.ports import free_port
from shared.settings import load
from tests.waiting import until


def sender() -> Sender:
    made = Sender("redis://unused", load(environ={}).settings, shards=4)
    made.tally.frames_confirmed = 1234
    made.tally.frames_dropped = 5
    return made


def test_a_quantile_is_the_lateness_that_a_share_of_frames_does_not_exceed() -> None:
    late = Lateness()
    late.add(0.1, 98)
    late.add(0.5, 2)
    assert (late.quantile_s(0.5), late.quantile_s(0.98), late.quantile_s(0.99)) == (0.1, 0.1, 0.5)
    assert Lateness().quantile_s(0.5) is None


def test_however_late_frames_are_few_numbers_are_kept_of_it() -> None:
    late = Lateness()
    for tenths in range(100_000):
        late.add(tenths / 10, 1)
    assert len(late.frames) < 5000
    median = late.quantile_s(0.5)
    assert median is not None
    assert 5000 <= median <= 5050


def test_lateness_since_a_copy_forgets_what_was_before() -> None:
    late = Lateness()
    late.add(9.0, 1)
    before = late.copy()
    late.add(0.002, 1)
    assert late.since(before).quantile_s(1.0) == 0.002


def test_what_is_sent_as_fast_as_possible_is_never_late() -> None:
    progress = Progress(patients=1)
    progress.note(Ticket(0.0, 10), now_s=1e9)
    assert progress.lateness.quantile_s(1.0) is None


def test_the_line_says_who_how_fast_how_late_and_what_is_wrong() -> None:
    made = sender()
    made.tally.readings = Readings(lag_s=3.25)
    made.tally.held = "lag"
    late = Lateness()
    late.add(0.012, 10)
    said = line(Progress(patients=1500), made, late, 1499.6)
    for part in (
        "1,500 patients",
        "1,500 frames/s",
        "late p99 12 ms",
        "lag 3.2 s",
        "dropped 5",
        "HOLDING BACK: lag",
    ):
        assert part in said


def test_without_a_consumer_the_line_says_so() -> None:
    assert "no consumer yet" in line(Progress(patients=1), sender(), Lateness(), 0.0)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_line_is_rewritten_in_place() -> None:
    out = Terminal()
    with LiveLine(Progress(patients=7), sender(), out):
        until(lambda: "7 patients" in out.getvalue())
    assert re.match(r"\r\x1b\[K7 patients · ", out.getvalue())
    assert out.getvalue().endswith("\n")


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(SenderCollector(sender(), lambda: 42))
    LatenessHistogram(made).note(Ticket(10.0, 1), 10.02)
    return made


def test_every_metric_is_ours_and_explained() -> None:
    families = list(text_string_to_metric_families(generate_latest(registry()).decode()))
    assert len(families) > 10
    assert all(family.name.startswith("selfmis_ingest_") for family in families)
    assert all(family.documentation for family in families)


def test_metrics_say_what_the_tally_says() -> None:
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(generate_latest(registry()).decode())
        for sample in family.samples
    }
    assert samples["selfmis_ingest_frames_total", "confirmed"] == 1234
    assert samples["selfmis_ingest_frames_total", "dropped"] == 5
    assert samples["selfmis_ingest_patients",] == 42
    assert samples["selfmis_ingest_lateness_seconds_count",] == 1


def test_the_lag_is_absent_until_somebody_consumes() -> None:
    assert "lag_seconds" not in generate_latest(registry()).decode()


def test_metrics_are_served_while_the_run_lasts_and_not_after() -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/metrics"
    serving = served(registry(), "127.0.0.1", port, setting="ingest.metrics_port")
    with serving, urllib.request.urlopen(address, timeout=5) as reply:
        assert b"selfmis_ingest_patients 42.0" in reply.read()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)
