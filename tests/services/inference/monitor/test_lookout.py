"""What replicas tell each other of who is heard."""

import numpy as np
import pytest

from services.inference.alarms.together import TALLY
from services.inference.monitor.lookout import Lookout, Report
from shared.redis.connection import Client, connect
from shared.shards import report_key
from tests.services.inference.alarms.events import small_rules

RULES = small_rules(stream_lost_s=9.0, system_patients=3)
NOW_US = 1_000_000_000


def tally(shard: int, since_s: float, members: int = 2, session: int = 7) -> np.ndarray:
    since = NOW_US - round(since_s * 1e6)
    return np.array([(shard, session, members, since, since)], TALLY)


def other(client: Client, looked_s: float, *rows: np.ndarray) -> None:
    """Another replica looked at the second shard so many seconds ago."""
    report = Report({1: NOW_US - round(looked_s * 1e6)}, np.concatenate(rows))
    client.set(report_key("b"), report.pack())


@pytest.fixture
def lookout(client: Client) -> Lookout:
    return Lookout(client, "a", 2, clock=lambda: 0.0)


def quiet(lookout: Lookout, since_s: float) -> list[int]:
    """The sources that are silent as a whole, where those of the first shard are silent for so long."""
    lookout.begin(RULES, [0], ["a", "b"])
    together = lookout.together(RULES, {0: NOW_US}, {0: tally(0, since_s)})
    return [int(session) for session in together.quiet]


def test_a_report_is_read_as_it_was_written() -> None:
    report = Report({3: 17, 5: 18}, tally(3, 1))
    again = Report.unpack(report.pack())
    assert again is not None
    assert again.looked_us == report.looked_us
    assert again.rows.tobytes() == report.rows.tobytes()


@pytest.mark.parametrize("raw", [b"", b"\x02" + bytes(7), b"\x01" + bytes(8), b"\x01\x00\x01\x00" + bytes(4)])
def test_a_report_of_another_program_is_ignored(raw: bytes) -> None:
    assert Report.unpack(raw) is None


def test_a_source_is_silent_when_all_replicas_say_so(client: Client, lookout: Lookout) -> None:
    other(client, 1, tally(1, 10))
    assert quiet(lookout, 10) == [7]


def test_a_source_that_another_replica_hears_is_not_silent(client: Client, lookout: Lookout) -> None:
    other(client, 1, tally(1, 5))
    assert quiet(lookout, 10) == []


def test_nobody_is_silent_as_a_whole_while_a_shard_has_not_been_heard_of_lately(
    client: Client, lookout: Lookout
) -> None:
    assert quiet(lookout, 10) == []
    other(client, 4, tally(1, 10))
    assert quiet(lookout, 10) == []


def test_nobody_is_silent_as_a_whole_while_a_shard_has_not_been_looked_at_since_the_clock_was_set_back(
    client: Client, lookout: Lookout
) -> None:
    other(client, -3600, tally(1, 10))
    assert quiet(lookout, 10) == []


def test_who_looked_last_at_a_shard_is_believed(client: Client, lookout: Lookout) -> None:
    other(client, 1, tally(1, 10), tally(0, 1))  # it held the first shard, too, but not any more
    assert quiet(lookout, 10) == [7]


def test_a_replica_tells_what_it_hears_only_if_there_is_another(client: Client, lookout: Lookout) -> None:
    tallies = {0: tally(0, 1)}
    lookout.begin(RULES, [0], ["a"])
    lookout.together(RULES, {0: NOW_US}, tallies)
    lookout.tell(RULES, tallies, ["a"])
    assert client.get(report_key("a")) is None
    lookout.tell(RULES, tallies, ["a", "b"])
    said = client.get(report_key("a"))
    assert isinstance(said, bytes)
    assert Report.unpack(said) is not None
    assert 0 < client.pttl(report_key("a")) <= 3000  # type: ignore[operator]  # sync client


def test_in_a_cluster_each_shard_has_the_time_of_its_own_node(cluster_url: str) -> None:
    with connect(cluster_url) as cluster:
        times = Lookout(cluster, "a", 6, clock=lambda: 0.0).begin(RULES, range(6), ["a", "b"])
    assert sorted(times) == list(range(6))
    assert max(times.values()) - min(times.values()) < 60_000_000
