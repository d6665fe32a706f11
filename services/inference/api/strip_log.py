"""Raw waveform out of the shards' own streams, from the newest end and no further than needed. Redis' edge."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from services.inference.api.trace import KEPT_S, LATE_S, Piece, Trace, pieces_of
from services.inference.windows.rules import MAX_AHEAD_US
from shared.frames import FrameError, Frames, decode_many
from shared.position import STREAM_START, parse_id
from shared.redis.connection import Client
from shared.shards import BATCH_FIELD, shard_of, stream_key

# One look at a shard reads at most so much of it.
MOST_BYTES = 32 << 20
MOST_ENTRIES = 512
_FIRST_LOOK = 32
# A patient of whom the last entries hold nothing is silent: looking further back finds old samples only.
_SILENT_S = 15.0


class StripLog:
    """Reads; remembers nothing. Threads may share it. Raises what redis-py raises.

    ``lead``: an index into `shared.frames.LEADS`; frames of others are refused by the monitor.
    """

    def __init__(self, client: Client, shards: int, lead: int) -> None:
        self._client = client
        self._shards = shards
        self._lead = lead

    def by_shard(self, names: Iterable[bytes]) -> dict[int, set[bytes]]:
        """Which shard each patient is in."""
        found: dict[int, set[bytes]] = defaultdict(set)
        for name in names:
            found[shard_of(name, self._shards)].add(name)
        return dict(found)

    def newest(self, names: Iterable[bytes], seconds: float) -> tuple[dict[bytes, Trace], dict[int, str]]:
        """The newest samples of some patients, and how far each of their shards was read.

        Costs a read of so many seconds of each of their shards.
        """
        traces: dict[bytes, Trace] = {}
        read: dict[int, str] = {}
        for shard, members in self.by_shard(names).items():
            found = {name: Trace(max(KEPT_S, seconds + LATE_S)) for name in members}
            read[shard] = self._back(shard, found, seconds)
            traces |= found
        return traces, read

    def _back(self, shard: int, traces: Mapping[bytes, Trace], seconds: float) -> str:
        """Fill traces from the newest end of a shard on; gives its newest entry's id."""
        upper, count, size, newest = "+", _FIRST_LOOK, 0, ""
        while size < MOST_BYTES and not all(trace.covers(seconds) for trace in traces.values()):
            rows: Any = self._client.xrevrange(stream_key(shard), max=upper, min="-", count=count)
            if not rows:
                break
            newest = newest or rows[0][0].decode()
            for name, piece in self.pieces(rows, traces):
                traces[name].place(piece)
            size += _bytes(rows)
            oldest = rows[-1][0].decode()
            if parse_id(newest)[0] - parse_id(oldest)[0] > (seconds + _SILENT_S) * 1000:
                break
            upper, count = f"({oldest}", min(MOST_ENTRIES, 2 * count)
        return newest or STREAM_START

    def after(self, read: Mapping[int, str]) -> dict[int, list[Any]]:
        """The entries behind these ids, of each shard that has any; of one far ahead only the first."""
        pipe = self._client.pipeline(transaction=False)
        for shard, last in read.items():
            pipe.xread({stream_key(shard): last}, count=MOST_ENTRIES)
        return {
            shard: reply[0][1] for shard, reply in zip(read, pipe.execute(), strict=True) if reply and reply[0][1]
        }

    def ends(self, shards: Iterable[int]) -> dict[int, str]:
        """The newest entry of each of these shards."""
        listed = list(shards)
        pipe = self._client.pipeline(transaction=False)
        for shard in listed:
            pipe.xrevrange(stream_key(shard), count=1)
        return {s: rows[0][0].decode() for s, rows in zip(listed, pipe.execute(), strict=True) if rows}

    def pieces(self, rows: Iterable[Any], names: Iterable[bytes]) -> list[tuple[bytes, Piece]]:
        """What some entries hold of some patients; entries that are no record batches hold nothing."""
        entries = [
            (parse_id(entry.decode())[0], fields[BATCH_FIELD]) for entry, fields in rows if BATCH_FIELD in fields
        ]
        decoded = decode_many([batch for _, batch in entries])
        runs: list[tuple[int, Frames]] = []
        for (milliseconds, _), found in zip(entries, decoded, strict=True):
            if not isinstance(found, FrameError):
                runs += [(milliseconds, frames) for frames in found]
        return pieces_of(runs, names, lead=self._lead, max_ahead_us=MAX_AHEAD_US)


def _bytes(rows: Iterable[Any]) -> int:
    return sum(len(value) for _, fields in rows for value in fields.values())
