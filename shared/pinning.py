"""The layout of what is in Redis, pinned at first start: which format, and over how many shards.

A patient's shard is ``crc32(id) % shards``, so a start with another number would look for patients where
they are not. The first start writes the layout, and every later one must agree.
"""

import json
from dataclasses import asdict, dataclass

from shared.errors import SelfmisError
from shared.redis.connection import Client
from shared.shards import LAYOUT_KEY

LAYOUT_VERSION = 1


class LayoutMismatch(SelfmisError):
    """What is in Redis was laid out differently from what this start expects."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``version``: of keys and stored formats. ``shards``: number of streams."""

    version: int
    shards: int

    def encode(self) -> bytes:
        """As it stands in Redis, readable by people: ``{"version": 1, "shards": 64}``."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, stored: bytes) -> "Layout":
        """The mirror image of `encode`; `LayoutMismatch` for anything else."""
        try:
            layout = cls(**json.loads(stored))
        except (ValueError, TypeError, RecursionError):
            layout = None
        if layout is None or type(layout.version) is not int or type(layout.shards) is not int:
            raise LayoutMismatch(
                f"the key {LAYOUT_KEY} in Redis holds {stored[:60]!r}, which is none of ours: use another Redis"
            )
        return layout


def pin(client: Client, shards: int) -> Layout:
    """Write the layout if there is none yet, then agree with what stands: all racing starters see the same.

    Raises `LayoutMismatch`, naming both numbers, when the store was laid out otherwise. Safe to repeat.
    Costs one command, three at the very first start. Where there is a layout nothing is written, for a full Redis
    refuses that, and those who start are the ones who let it be trimmed.
    """
    wanted = Layout(LAYOUT_VERSION, shards)
    stored = client.get(LAYOUT_KEY)
    if stored is None:
        client.set(LAYOUT_KEY, wanted.encode(), nx=True)
        stored = client.get(LAYOUT_KEY)
    return agreed(stored, wanted)


def agreed(stored: bytes | str | None, wanted: Layout) -> Layout:
    """``wanted`` if ``stored`` says the same; `LayoutMismatch` otherwise."""
    if not isinstance(stored, bytes):
        raise LayoutMismatch(f"the key {LAYOUT_KEY} vanished from Redis while starting: is somebody flushing it?")
    found = Layout.decode(stored)
    if found.version != wanted.version:
        raise LayoutMismatch(
            f"Redis holds data in layout {found.version}, this program uses layout {wanted.version}:"
            " run the matching version, or use an empty Redis (another URL or redis.data_dir)"
        )
    if found.shards != wanted.shards:
        raise LayoutMismatch(
            f"Redis was set up with {found.shards} shards, this start asks for {wanted.shards}:"
            f" set stream.shards to {found.shards}, or use an empty Redis (another URL or redis.data_dir)"
        )
    return found
