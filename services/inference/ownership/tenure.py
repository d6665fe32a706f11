"""One replica's tenures: what it should own, what it does own, and what to do about the difference.

`Tenures.turn` is called by the pull loop between steps. It beats, acquires what the division gives this
replica, keeps idle leases alive, and says what to load, to finish and to forget.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.inference.commit.link import Link
from services.inference.commit.store import Holding
from services.inference.ownership.heartbeat import Heartbeats
from services.inference.ownership.lease import Leases, Standing, new_token
from services.inference.ownership.rendezvous import shares
from shared.pinning import pin

_JUST_AFTER_S = 0.005


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn found.

    ``load``: new shards, and such whose memory is out of date: load them and follow from there.
    ``leave``: another replica's from now on; release each after its current step (named again until
    then). ``lost``: no longer held; forget them.
    """

    load: tuple[Holding, ...] = ()
    leave: tuple[Holding, ...] = ()
    lost: tuple[int, ...] = ()


class Tenures:
    """The shards of one replica. Not thread-safe. ``clock``: seconds that only go forward, any origin.
    ``divide``: the same in all replicas; one that remembers serves many replicas in one process.

    Refuses (`shared.pinning.LayoutMismatch`) a Redis set up with another number of shards, at the
    start and whenever Redis was started anew. A replica that dies is replaced as its lease ends.
    """

    def __init__(
        self,
        link: Link,
        replica: str,
        shards: int,
        *,
        lease_s: float,
        beat_s: float,
        clock: Callable[[], float],
        divide: Callable[[frozenset[str], int], Mapping[str, tuple[int, ...]]] = shares,
    ) -> None:
        self.held: dict[int, Holding] = {}
        self.live: frozenset[str] = frozenset()
        self._link, self._replica, self._shards = link, replica, shards
        self._beats = Heartbeats(link, replica, keep_ms=round(lease_s * 1000))
        self._leases = Leases(link, lease_ms=round(lease_s * 1000))
        self._lease_s, self._beat_s, self._clock = lease_s, beat_s, clock
        self._divide = divide
        self._mine: frozenset[int] = frozenset()
        self._divided: frozenset[str] = frozenset()
        self._tokens: dict[int, str] = {}
        self._next_beat = self._next_try = clock()
        self._generation = -1

    def turn(self) -> Turn:
        """Do what is due; costs nothing when nothing is, else one round trip a beat, an acquisition, a renewal.

        Raises what redis-py raises; the next turn goes on where this one stopped and misses nothing.
        """
        if self._generation != self._link.generation:
            generation = self._link.generation
            pin(self._link.client, self._shards)
            self._generation = generation
            self._next_beat = self._clock()  # it may have forgotten who lives
        self._beat()
        lost = self.keep()
        load = tuple(h for h in self.held.values() if h.position is None and h.doubt is None)
        leave = tuple(h for shard, h in self.held.items() if shard not in self._mine)
        return Turn(tuple(h for h in load if h.shard in self._mine), leave, lost)

    def keep(self) -> tuple[int, ...]:
        """Renew what has long not been, in the midst of a long step; the shards that were lost meanwhile."""
        lost = tuple(shard for shard in sorted(self.held) if not self._kept(self.held[shard]))
        for shard in lost:
            self.drop(shard)
        return lost

    def drop(self, shard: int) -> None:
        """Hold it no more without asking Redis: a commit said that it is lost."""
        self.held.pop(shard, None)

    def release(self, shard: int) -> None:
        """Give a shard back after its last commit, so that the next owner need not wait; ignores unknown ones."""
        holding = self.held.pop(shard, None)
        if holding is not None:
            self._leases.release(shard, holding.token)

    def close(self) -> None:
        """Give back everything and leave; what Redis does not hear of runs out by itself."""
        for shard in tuple(self.held):
            self.release(shard)
        for shard, token in tuple(self._tokens.items()):  # tries whose reply was lost
            self._leases.release(shard, token)
        self._beats.stop()

    def _beat(self) -> None:
        now = self._clock()
        if now >= self._next_beat:
            found = self._beats.beat()
            live = found.replicas | {self._replica}
            if live != self._divided:  # in a large fleet a division costs more than a beat
                self._mine = frozenset(self._divide(live, self._shards)[self._replica])
                self._divided = live
            self.live = live
            # Who does not beat again is missed at once, not a beat later.
            self._next_beat = now + min(self._beat_s, found.first_end_s + _JUST_AFTER_S)
        elif now < self._next_try:
            return
        # More often than beats: a shard that is handed over should rest as shortly as possible.
        self._next_try = now + self._beat_s / 5
        for shard in sorted(self._mine - self.held.keys()):
            token = self._tokens.setdefault(shard, new_token(self._replica))
            holding = self._leases.acquire(shard, token, now_s=self._clock())
            del self._tokens[shard]
            if holding is not None:
                self.held[shard] = holding

    def _kept(self, holding: Holding) -> bool:
        """False once the lease is lost. Renews where no commit has done so for a third of its time."""
        now = self._clock()
        if now - holding.renewed_s < self._lease_s / 3:
            return True
        return self._leases.renew(holding, now_s=now) is not Standing.LOST
