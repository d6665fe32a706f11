"""How far behind the consumers are, from what was sent and what is committed."""

from services.ingest.upkeep import Backlog
from shared.position import ShardPosition


def at(milliseconds: int) -> ShardPosition:
    return ShardPosition(offset=f"{milliseconds}-0", rewind=f"{milliseconds}-0", sequence=1)


def sent(*entries: tuple[int, int]) -> Backlog:
    backlog = Backlog()
    for shard, milliseconds in entries:
        backlog.sent(shard, f"{milliseconds}-0")
    return backlog


def test_without_any_commit_there_is_no_lag_to_tell() -> None:
    assert sent((0, 1000), (0, 9000)).lag_s({0: ShardPosition()}) is None


def test_the_lag_is_that_of_the_shard_that_is_furthest_behind() -> None:
    assert sent((0, 1000), (0, 2000), (1, 1000), (1, 9000)).lag_s({0: at(0), 1: at(0)}) == 8.0


def test_what_is_committed_is_not_behind() -> None:
    assert sent((0, 1000), (0, 9000)).lag_s({0: at(9000)}) == 0.0


def test_a_commit_half_way_halves_the_lag() -> None:
    backlog = sent((0, 1000), (0, 9000))
    assert backlog.lag_s({0: at(5000)}) == 4.0
    assert backlog.lag_s({0: at(8000)}) == 1.0


def test_an_hour_without_frames_is_no_lag() -> None:
    backlog = sent((0, 1000))
    assert backlog.lag_s({0: at(1000)}) == 0.0
    backlog.sent(0, "3601000-0")
    assert backlog.lag_s({0: at(1000)}) == 0.0
    backlog.sent(0, "3603000-0")
    assert backlog.lag_s({0: at(1000)}) == 2.0


def test_a_shard_that_nobody_owns_does_not_hide_the_others() -> None:
    assert sent((0, 1000), (0, 9000), (1, 1000), (1, 2000)).lag_s({0: ShardPosition(), 1: at(0)}) == 1.0
