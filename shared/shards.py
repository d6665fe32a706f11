"""Which shard a patient belongs to, and the name of every Redis key.

All keys of a shard carry the hash tag ``{sNN}``: in a Redis Cluster they lie in
one slot, so one script may touch them all. No key is named anywhere else.
"""

from zlib import crc32

PREFIX = "selfmis"
# Keys that belong to no shard. Each carries a tag of its own, so that the keys of one source stay together.
LAYOUT_KEY = f"{PREFIX}:layout"
# Sorted set: replica of the monitor -> until when (Redis' clock, milliseconds) it counts as live.
REPLICAS_KEY = f"{PREFIX}:replicas"

# Hash: histograms of how fast all replicas together are (`services.inference.monitor.speed`).
SPEED_KEY = f"{PREFIX}:speed"


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


def pulse_key(replica: str) -> str:
    """String with a time limit: what a live replica says of itself, JSON (`services.inference.monitor.pulse`)."""
    return f"{PREFIX}:pulse:{{{replica}}}"


def state_key(shard: int) -> str:
    """Hash: patient -> the owner's memory of that patient, without which it cannot go on (alarms, quality)."""
    return f"state:{tag(shard)}"


def parked_key(shard: int) -> str:
    """Hash: patient -> partial samples of a window left open by a device that vanished."""
    return f"parked:{tag(shard)}"


def silence_key(shard: int) -> str:
    """Hash: patient, or source, that fell silent -> the alarm about it (`services.inference.alarms.liveness`)."""
    return f"silent:{tag(shard)}"


def report_key(replica: str) -> str:
    """String with a time limit: who a live replica hears (`services.inference.monitor.lookout`)."""
    return f"{PREFIX}:heard:{{{replica}}}"


def latest_key(shard: int) -> str:
    """Hash: patient -> what views show of that patient; the owner never reads it back."""
    return f"latest:{tag(shard)}"


def roster_key(shard: int) -> str:
    """Hash: patient -> the device that people assigned, UTF-8."""
    return f"roster:{tag(shard)}"


def trend_key(shard: int, patient: bytes) -> bytes:
    """List with a time limit: a patient's trend, one packed point each (`services.inference.commit.point`)."""
    return f"trend:{tag(shard)}:".encode() + patient


def once_key(shard: int, digest: str) -> str:
    """String with a time limit: the command that was appended under an idempotency key."""
    return f"once:{tag(shard)}:{digest}"


def counters_key(shard: int) -> str:
    """Hash: name of a counter or histogram bucket -> integer."""
    return f"count:{tag(shard)}"


def alerts_key(shard: int) -> str:
    """Stream: one entry an alert, fields `ALERT_ID` and `ALERT_BODY`."""
    return f"alert:{tag(shard)}"


def audit_key(shard: int) -> str:
    """Stream: one entry an applied command, field `AUDIT_FIELD`."""
    return f"audit:{tag(shard)}"


def dead_letters_key(shard: int) -> str:
    """Stream: entries that could not be used, with the reason."""
    return f"dead:{tag(shard)}"


def commands_key(shard: int) -> str:
    """Stream: what people ask of the shard's owner; the API appends, the owner applies."""
    return f"cmd:{tag(shard)}"


def lease_key(shard: int) -> str:
    """String with a time limit: the token of the shard's owner."""
    return f"lease:{tag(shard)}"


def epoch_key(shard: int) -> str:
    """Number: how often the shard was acquired; never expires."""
    return f"epoch:{tag(shard)}"


def source_key(source: str) -> str:
    """Hash: what a named ingest source must remember to resume: its run id, each patient's session."""
    return f"source:{{{source}}}"


def webhook_keys(receiver: str) -> tuple[str, str, str]:
    """Of a receiver of alerts: the lease of who sends to it, its epoch, and a hash: shard -> last alert sent."""
    place = f"{PREFIX}:webhook:{{{receiver}}}"
    return f"{place}:lease", f"{place}:epoch", f"{place}:sent"


def session_start_key(shard: int, patient: bytes, session: int) -> bytes:
    """String: when a session began (microseconds), for devices that leave it to the gateway; it expires."""
    return f"start:{tag(shard)}:{session}:".encode() + patient


# The shard whose owner raises the alarms about whole sources; commands about those go to it.
SYSTEM_SHARD = 0
BATCH_FIELD = b"b"
ALERT_ID, ALERT_BODY, AUDIT_FIELD = b"id", b"body", b"body"
