"""Who asked for what, and what came of it: the committed audit. Redis' edge."""

import heapq
import json
from collections.abc import Iterator
from typing import Any

from services.inference.api.cursor import Cursor
from shared.position import parse_id
from shared.redis.connection import Client
from shared.shards import AUDIT_FIELD, audit_key, shard_of

_PAGE = 200


def newest(client: Client, shards: int, limit: int) -> list[dict[str, Any]]:
    """The newest entries of all shards, newest first."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.xrevrange(audit_key(shard), count=limit)
    rows = [
        (parse_id(entry.decode()), shard, fields)
        for shard, reply in enumerate(pipe.execute())
        for entry, fields in reply
    ]
    found = heapq.nlargest(limit, rows, key=lambda row: row[:2])
    return [_view(entry, shard, fields[AUDIT_FIELD]) for entry, shard, fields in found]


def of_patient(client: Client, shards: int, patient: str, limit: int) -> list[dict[str, Any]]:
    """The newest entries about one patient, newest first."""
    shard = shard_of(patient.encode(), shards)
    found = []
    for entry, body in _backwards(client, shard):
        view = _view(entry, shard, body)
        if view.get("patient") == patient:
            found.append(view)
            if len(found) == limit:
                break
    return found


def ends(client: Client, shards: int) -> Cursor:
    """Behind the newest entry of every shard."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.xrevrange(audit_key(shard), count=1)
    found = enumerate(pipe.execute())
    return Cursor(shards, {shard: parse_id(rows[0][0].decode()) for shard, rows in found if rows})


def onward(client: Client, since: Cursor, until: Cursor, limit: int) -> tuple[list[dict[str, Any]], Cursor]:
    """The first entries behind a cursor up to another, and the cursor behind the last of them.

    Oldest first within a shard, shard by shard; none where there are no more.
    """
    found: list[dict[str, Any]] = []
    for shard in range(since.shards):
        after, last = since.of(shard), until.of(shard)
        if last <= after or len(found) == limit:
            continue
        bounds = {"min": f"({after[0]}-{after[1]}", "max": f"{last[0]}-{last[1]}"}
        rows: Any = client.xrange(audit_key(shard), **bounds, count=limit - len(found))
        for name, fields in rows:
            entry = parse_id(name.decode())
            found.append(_view(entry, shard, fields[AUDIT_FIELD]))
            since = since.moved(shard, entry)
    return found, since


def outcome_of(client: Client, shard: int, command: str) -> str | None:
    """What came of an applied command; None where that is no longer kept."""
    # It was applied after it was asked for, and ids of both streams are the server's time.
    start, word = f"{parse_id(command)[0]}-0", json.dumps(command).encode()
    while True:
        rows: Any = client.xrange(audit_key(shard), min=start, max="+", count=_PAGE)
        for _, fields in rows:
            if word in fields[AUDIT_FIELD]:
                said = json.loads(fields[AUDIT_FIELD])
                if said["command"] == command:
                    return str(said["outcome"])
        if len(rows) < _PAGE:
            return None
        start = f"({rows[-1][0].decode()}"


def _backwards(client: Client, shard: int) -> Iterator[tuple[tuple[int, int], bytes]]:
    upper = "+"
    while True:
        rows: Any = client.xrevrange(audit_key(shard), max=upper, count=_PAGE)
        for entry, fields in rows:
            yield parse_id(entry.decode()), fields[AUDIT_FIELD]
        if len(rows) < _PAGE:
            return
        upper = f"({rows[-1][0].decode()}"


def _view(entry: tuple[int, int], shard: int, body: bytes) -> dict[str, Any]:
    view: dict[str, Any] = json.loads(body)
    return {**view, "applied_ms": entry[0], "shard": shard}
