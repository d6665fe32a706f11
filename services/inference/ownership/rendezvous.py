"""Which replica should own which shard: pure, so that replicas that see the same set agree without talking.

Plain rendezvous hashing (each shard to the replica with the highest weight) moves the least but
divides badly: of 64 shards one of 8 replicas may get 2 and another 15. Here weights are taken
highest first and a replica that has its fair share takes no more, so shares differ by one at most,
at the price of some more moving (the tests bound it).
"""

import hashlib
from collections.abc import Iterable


def weight(replica: str, shard: int) -> int:
    """64 bits that look random and are the same on every machine."""
    digest = hashlib.blake2b(f"{replica}/{shard}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def shares(replicas: Iterable[str], shards: int) -> dict[str, tuple[int, ...]]:
    """The shards of each replica, in order; their numbers differ by one at most.

    The order of ``replicas`` does not matter. Costs replicas × shards hashes, 1 ms for 8 × 64.
    """
    names = sorted(set(replicas))
    if not names:
        return {}
    fair, larger = divmod(shards, len(names))  # so many replicas have one more than the fair share
    owner: dict[int, str] = {}
    load = dict.fromkeys(names, 0)
    wishes = sorted(
        ((weight(name, shard), name, shard) for name in names for shard in range(shards)), reverse=True
    )
    for _, name, shard in wishes:
        if shard in owner or load[name] > fair or (load[name] == fair and not larger):
            continue
        larger -= load[name] == fair
        owner[shard] = name
        load[name] += 1
    return {name: tuple(sorted(s for s, who in owner.items() if who == name)) for name in names}
