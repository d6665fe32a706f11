"""The API's side of commands: append, and see when it is done. Effects are the owner's, in its commit."""

from collections.abc import Mapping
from typing import Any

from shared.errors import SelfmisError
from shared.position import ShardPosition, parse_id
from shared.redis.connection import Client
from shared.shards import commands_key, position_key

MOST_WAITING = 10_000


class CommandsWaiting(SelfmisError):
    """Too many commands of a shard wait for an owner."""


def submit(client: Client, shard: int, fields: Mapping[str, str]) -> str:
    """Append a command; its id. The owner sees it with its next read and trims the stream behind itself.

    Use a client that does not send again: whoever asked is told when the reply is lost. Refuses
    (`CommandsWaiting`) when an absent owner has let about `MOST_WAITING` pile up.
    """
    if client.xlen(commands_key(shard)) >= MOST_WAITING:
        raise CommandsWaiting(
            f"shard {shard}: {MOST_WAITING} commands wait and nobody applies them: is the monitor up?"
        )
    entry: dict[Any, Any] = dict(fields)
    added = client.xadd(commands_key(shard), entry)
    assert isinstance(added, bytes)  # noqa: S101 - replies are bytes, for the type checker
    return added.decode()


def applied(client: Client, shard: int, command: str) -> bool:
    """Whether the command of this id has been applied and its effect committed."""
    stored = client.hget(position_key(shard), "command")
    done = stored.decode() if isinstance(stored, bytes) else ShardPosition().command
    return parse_id(command) <= parse_id(done)
