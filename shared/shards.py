"""Which shard a patient belongs to, and the name of every Redis key.

All keys of a shard carry the hash tag ``{sNN}``: in a Redis Cluster they lie in
one slot, so one script may touch them all. No key is named anywhere else.
"""

from zlib import crc32

PREFIX = "selfmis"
# Keys that belong to no shard. Each carries a tag of its own, so that the keys of one source stay together.
LAYOUT_KEY = f"{PREFIX}:layout"


def shard_of(patient: bytes, shards: int) -> int:
    """The shard of a patient id as a header holds it (UTF-8 without padding).

    >>> shard_of(b"patient-7", 64)
    21
    """
    return crc32(patient) % shards


def tag(shard: int) -> str:
    """The hash tag of a shard.

    >>> tag(7), tag(4711)
    ('{s07}', '{s4711}')
    """
    return f"{{s{shard:02d}}}"


def stream_key(shard: int) -> str:
    """Stream of record batches; each entry has the one field `BATCH_FIELD`."""
    return f"ecg:{tag(shard)}"


def position_key(shard: int) -> str:
    """Hash: how far the shard's owner has come (`shared.position.ShardPosition`)."""
    return f"pos:{tag(shard)}"


def marks_key(shard: int) -> str:
    """Hash: patient -> how far that patient's windows are committed (`shared.position.PatientMark`)."""
    return f"mark:{tag(shard)}"


def source_key(source: str) -> str:
    """Hash: what a named ingest source must remember to resume: its run id, each patient's session."""
    return f"source:{{{source}}}"


BATCH_FIELD = b"b"
