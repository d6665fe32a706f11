"""The door for commands: append once, wait a little for the owner's answer. Redis' edge.

An idempotency key makes a command that is asked for again the same command: it is remembered beside the shard's
command stream, in the same slot and by the same script that appends, for as long as `REMEMBERED_S`.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from services.inference.alarms import Command
from services.inference.api.audit import outcome_of
from services.inference.api.errors import Refused
from services.inference.commit.commands import MOST_WAITING, CommandsWaiting
from services.inference.commit.script import Script
from services.inference.monitor.shard import COMMAND_FIELD
from shared.position import STREAM_START, parse_id
from shared.redis.connection import Client
from shared.shards import commands_key, once_key, position_key

REMEMBERED_S = 86_400
# Without a key of the caller's: long enough for a client that sends again when a reply was lost.
_RESENT_S = 60
PENDING = "pending"
FORGOTTEN = "forgotten"

# KEYS: commands, what is remembered of the key. ARGV: most waiting, field, body, digest, remembered s.
_APPEND = Script("""
local known = redis.call('GET', KEYS[2])
if known then
  local digest, id = string.match(known, '^(%x+) (.+)$')
  if digest ~= ARGV[4] then return 'other' end
  return id
end
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 'full' end
local id = redis.call('XADD', KEYS[1], '*', ARGV[2], ARGV[3])
redis.call('SET', KEYS[2], ARGV[4] .. ' ' .. id, 'EX', ARGV[5])
return id
""")


@dataclass(frozen=True, slots=True)
class Asked:
    """A command on its way: the shard that it went to and its id there."""

    shard: int
    id: str


class Door:
    """Appends commands and looks for their outcomes; remembers nothing. Threads may share it.

    Its client may send again when a reply is lost: a command is appended once all the same. Raises what redis-py
    raises.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def append(self, shard: int, command: Command, key: str = "") -> Asked:
        """Append a command, or find the one that was appended under this key. The command's own id is not used."""
        known_by = f"k{key}" if key else f"r{secrets.token_hex(16)}"
        keys = (commands_key(shard), once_key(shard, hashlib.sha256(known_by.encode()).hexdigest()[:32]))
        answer: Any = _APPEND(
            self._client,
            keys,
            MOST_WAITING,
            COMMAND_FIELD,
            command.to_json(),
            _digest(command),
            REMEMBERED_S if key else _RESENT_S,
        )
        text = answer.decode()
        if text == "full":
            raise CommandsWaiting(
                f"shard {shard}: {MOST_WAITING} commands wait and nobody applies them: is the monitor up?"
            )
        if text == "other":
            raise Refused(422, "this Idempotency-Key was used for another command")
        return Asked(shard, text)

    def outcome(self, asked: Asked) -> str:
        """What came of it: `PENDING`, `FORGOTTEN` where that is no longer kept, or the owner's word."""
        stored: Any = self._client.hget(position_key(asked.shard), "command")
        done = STREAM_START if stored is None else stored.decode()
        if parse_id(asked.id) > parse_id(done):
            return PENDING
        return outcome_of(self._client, asked.shard, asked.id) or FORGOTTEN


def _digest(command: Command) -> str:
    """The same for the same wish, whenever it is uttered."""
    values = repr([getattr(command, name) for name in command.__slots__ if name not in {"id", "time_us"}])
    return hashlib.sha256(values.encode()).hexdigest()[:32]
