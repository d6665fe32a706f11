"""Reading shards and commands from where the committed position says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.commit.commands import MOST_WAITING, CommandsWaiting, applied, submit
from services.inference.commit.ids import after, before
from services.inference.commit.reader import Appetite, ShardReader
from shared.position import ShardPosition, parse_id
from shared.redis.connection import Client, connect
from shared.shards import BATCH_FIELD, commands_key, position_key, stream_key

IDS = st.tuples(st.integers(0, 2**60), st.integers(0, 2**64 - 1)).map(lambda p: f"{p[0]}-{p[1]}")


def add(client: Client, shard: int, entry_id: str, data: bytes = b"batch") -> None:
    client.xadd(stream_key(shard), {BATCH_FIELD: data}, id=entry_id)


@settings(deadline=None)
@given(IDS)
def test_ids_have_neighbours(entry_id: str) -> None:
    assert before(after(entry_id)) == entry_id
    assert parse_id(before(entry_id)) <= parse_id(entry_id) < parse_id(after(entry_id))


def test_a_new_owner_reads_from_the_rewind_and_counts_above_the_offset(client: Client) -> None:
    for number in range(1, 6):
        add(client, 0, f"{number}-0")
    reader = ShardReader(client)
    reader.follow(0, ShardPosition(offset="3-0", rewind="2-0"))
    entries = []
    while pulled := reader.read(0):
        entries += pulled[0].entries
    assert [(entry.id, entry.counted) for entry in entries] == [
        ("2-0", False),
        ("3-0", False),
        ("4-0", True),
        ("5-0", True),
    ]


def test_every_shard_is_read_in_its_own_order(client: Client) -> None:
    for shard in (0, 1, 2):
        for number in range(1, 40):
            add(client, shard, f"{number}-{shard}")
    reader = ShardReader(client, most=7)
    for shard in (0, 2):
        reader.follow(shard, ShardPosition())
    seen: dict[int, list[str]] = {0: [], 2: []}
    while pulled := reader.read(0):
        for part in pulled:
            assert len(part.entries) <= 7
            seen[part.shard] += [entry.id for entry in part.entries]
    assert seen == {shard: [f"{n}-{shard}" for n in range(1, 40)] for shard in (0, 2)}


def test_an_entry_without_a_batch_is_given_as_such(client: Client) -> None:
    client.xadd(stream_key(0), {"other": "x"}, id="1-0")
    reader = ShardReader(client)
    reader.follow(0, ShardPosition())
    assert reader.read(0)[0].entries[0].data is None


def test_following_again_goes_back(client: Client) -> None:
    add(client, 0, "1-0")
    reader = ShardReader(client)
    for _ in range(2):
        reader.follow(0, ShardPosition())
        assert [entry.id for entry in reader.read(0)[0].entries] == ["1-0"]
    assert reader.read(0) == []


def test_a_forgotten_shard_is_not_read(client: Client) -> None:
    add(client, 0, "1-0")
    reader = ShardReader(client, sleep=lambda _: None)
    reader.follow(0, ShardPosition())
    reader.forget(0)
    assert (reader.shards, reader.read(1)) == ((), [])


def test_a_command_wakes_the_reader_and_is_seen_once(client: Client) -> None:
    reader = ShardReader(client)
    reader.follow(0, ShardPosition())
    command = submit(client, 0, {"do": "mute", "patient": "a"})
    (pulled,) = reader.read(5_000 // 2)
    assert [(c.id, c.fields) for c in pulled.commands] == [(command, {"do": "mute", "patient": "a"})]
    assert reader.read(0) == []


def test_a_command_is_applied_once_its_effect_is_committed(client: Client) -> None:
    command = submit(client, 0, {"do": "mute"})
    assert not applied(client, 0, command)
    client.hset(position_key(0), "command", command)
    assert applied(client, 0, command)


def test_commands_that_nobody_applies_do_not_pile_up_for_ever(client: Client) -> None:
    pipe = client.pipeline(transaction=False)
    for _ in range(MOST_WAITING):
        pipe.xadd(commands_key(0), {"do": "mute"})
    pipe.execute()
    with pytest.raises(CommandsWaiting, match="is the monitor up"):
        submit(client, 0, {"do": "mute"})


def test_a_backlog_of_large_entries_is_taken_in_portions(client: Client) -> None:
    for number in range(1, 30):
        add(client, 0, f"{number}-0", bytes(100_000))
    reader = ShardReader(client, budget_bytes=500_000)
    reader.follow(0, ShardPosition())
    sizes = []
    while pulled := reader.read(0):
        sizes.append(len(pulled[0].entries))
    assert sizes[0] == 1
    assert (sum(sizes), max(sizes)) == (29, 5)


@settings(deadline=None)
@given(st.lists(st.integers(1, 1 << 20), min_size=1, max_size=20), st.integers(1, 64))
def test_an_appetite_stays_within_its_bounds(sizes: list[int], shards: int) -> None:
    appetite = Appetite(200, 64 << 20)
    for size in sizes:
        appetite.fed([{b"b": bytes(size)}])
        assert 1 <= appetite.count(shards) <= 200
        assert appetite.count(shards) == 1 or appetite.count(shards) * shards * size <= 64 << 20


def test_a_cluster_is_read_shard_by_shard(cluster_url: str) -> None:
    with connect(cluster_url) as cluster:
        reader = ShardReader(cluster)
        for shard in range(8):
            add(cluster, shard, f"{shard + 1}-0")
            reader.follow(shard, ShardPosition())
        submit(cluster, 5, {"do": "mute"})
        seen: dict[int, list[str]] = {}
        commands = 0
        while pulled := reader.read(40):
            for part in pulled:
                seen.setdefault(part.shard, []).extend(entry.id for entry in part.entries)
                commands += len(part.commands)
        assert seen == {shard: [f"{shard + 1}-0"] for shard in range(8)}
        assert commands == 1
