"""What was read, decoded: all entries of a step at once, because each decoding has its fixed cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.inference.commit.facts import DeadLetter
from services.inference.commit.reader import Pulled
from shared.frames import FrameError, Frames, decode_many


@dataclass(frozen=True, slots=True)
class Decoded:
    """One shard's part of a read. ``entries``: id and frames of each; ``dead``: those that are unusable."""

    pulled: Pulled
    entries: tuple[tuple[str, Sequence[Frames]], ...]
    dead: tuple[DeadLetter, ...]


def decoded(pulled: Sequence[Pulled], most_bytes: int) -> list[Decoded]:
    """Decode what was read of some shards; an unusable entry gives no frames, but a letter where it counts.

    Entries without a batch, or larger than ``most_bytes``, are not even tried.
    """
    known = iter(
        decode_many(
            [e.data for p in pulled for e in p.entries if e.data is not None and len(e.data) <= most_bytes]
        )
    )
    found = []
    for each in pulled:
        entries: list[tuple[str, Sequence[Frames]]] = []
        dead = []
        for entry in each.entries:
            reason, runs, data = "", [], entry.data
            if data is None:
                reason, data = "no_batch", b""
            elif len(data) > most_bytes:
                reason = "oversized"
            else:
                runs_or_error = next(known)
                if isinstance(runs_or_error, FrameError):
                    reason = runs_or_error.reason
                else:
                    runs = runs_or_error
            entries.append((entry.id, runs))
            if reason and entry.counted:
                dead.append(DeadLetter(reason, entry.id, data))
        found.append(Decoded(each, tuple(entries), tuple(dead)))
    return found
