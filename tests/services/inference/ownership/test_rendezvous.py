"""Dividing shards: fair, the same for all who see the same set, and with little moving."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.ownership.rendezvous import shares

REPLICAS = st.sets(st.text("abcdef0123456789", min_size=4, max_size=8), min_size=1, max_size=9)


def owners(replicas: set[str], shards: int) -> dict[int, str]:
    return {shard: name for name, mine in shares(replicas, shards).items() for shard in mine}


@settings(deadline=None)
@given(REPLICAS, st.integers(1, 130))
def test_every_shard_has_one_owner_and_shares_differ_by_one_at_most(replicas: set[str], shards: int) -> None:
    divided = shares(replicas, shards)
    assert sorted(shard for mine in divided.values() for shard in mine) == list(range(shards))
    sizes = [len(mine) for mine in divided.values()]
    assert (len(sizes), max(sizes) - min(sizes) <= 1) == (len(replicas), True)


@settings(deadline=None)
@given(REPLICAS, st.randoms())
def test_the_order_in_which_replicas_are_seen_does_not_matter(replicas: set[str], random: object) -> None:
    shuffled = sorted(replicas)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert shares(shuffled, 64) == shares(replicas, 64)


@settings(deadline=None)
@given(REPLICAS)
def test_a_join_moves_little_more_than_the_share_of_who_joins(replicas: set[str]) -> None:
    before, now = owners(replicas, 64), owners(replicas | {"joins"}, 64)
    moved = sum(before[shard] != now[shard] for shard in before)
    to_who_joins = sum(name == "joins" for name in now.values())
    assert to_who_joins <= moved <= 2.5 * 64 / (len(replicas) + 1) + 2


@settings(deadline=None)
@given(REPLICAS)
def test_a_leave_moves_little_more_than_the_share_of_who_leaves(replicas: set[str]) -> None:
    before, now = owners(replicas | {"leaves"}, 64), owners(replicas, 64)
    moved = sum(before[shard] != now[shard] for shard in before)
    assert moved <= 2.5 * 64 / (len(replicas) + 1) + 2


def test_a_division_is_the_same_on_every_machine() -> None:
    assert shares({"a", "b", "c"}, 8) == {"a": (3, 4), "b": (1, 2, 5), "c": (0, 6, 7)}


def test_a_large_fleet_is_divided_fairly_and_moves_little() -> None:
    """More replicas than favourites, so that what is left over is dealt too."""
    fleet = {f"replica-{number}" for number in range(120)}
    before, now = owners(fleet, 3000), owners(fleet | {"joins"}, 3000)
    sizes = [len(mine) for mine in shares(fleet, 3000).values()]
    assert (len(before), min(sizes), max(sizes)) == (3000, 25, 25)
    moved = sum(before[shard] != now[shard] for shard in before)
    assert 3000 / 121 - 1 <= moved <= 4 * 3000 / 121


def test_nobody_owns_nothing() -> None:
    assert shares((), 64) == {}
