"""The Lua scripts of commit, reload and resolve, and how a script is called.

All run on Redis 6.2 and declare every key, which share one hash tag. None is written for
speed alone: at 300 patients a commit's time is that of writing 600 hash fields.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis import RedisCluster
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from shared.redis.connection import Client

# The keys and the arguments of one call.
Call = tuple[Sequence[str | bytes], Sequence[bytes | str | int]]


class Script:
    """A script, called by its digest; a server that does not know it gets the whole text once.

    NOSCRIPT means that nothing was executed, so sending the text after it cannot apply anything twice.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, client: Client, keys: Sequence[str | bytes], *arguments: bytes | str | int) -> Any:
        """Run it; raises what redis-py raises. One round trip, two where the server was without the script."""
        try:
            return client.evalsha(self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return client.eval(self.source, len(keys), *keys, *arguments)

    def many(self, client: Client, calls: Sequence[Call]) -> list[Any]:
        """Several calls, each on its own: of each its reply, or what redis-py would have raised.

        One round trip; one a call in a cluster, whose pipelines take no scripts. Raises what redis-py raises when
        the connection breaks: then nothing is known of any.
        """
        if len(calls) == 1 or isinstance(client, RedisCluster):
            return [self._caught(client, call) for call in calls]
        pipe = client.pipeline(transaction=False)
        for keys, arguments in calls:
            pipe.evalsha(self.digest, len(keys), *keys, *arguments)
        replies = pipe.execute(raise_on_error=False)
        return [
            self._caught(client, call) if isinstance(reply, NoScriptError) else reply
            for call, reply in zip(calls, replies, strict=True)
        ]

    def _caught(self, client: Client, call: Call) -> Any:
        keys, arguments = call
        try:
            return self(client, keys, *arguments)
        except (RedisError, RedisClusterException, OSError) as error:
            return error


# KEYS: one. ARGV: its value, keep ms. A SET that a full Redis takes, too: DEL is a write that it allows, and after
# it all are (see COMMIT). It is when Redis is full that what replicas say of themselves is wanted.
PUT = Script("""
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
""")

# KEYS: lease, position, counters, alerts, audit, dead letters, commands, the hashes of the kinds, then the
#       trend of each patient who has new points.
# ARGV: one packed list of: token, lease ms, expected sequence, next sequence, commit id, offset, rewind, command,
#       alerts max, alerts keep ms, audit max, dead letters max, then packed lists: counters, alerts, audit,
#       dead letters, trend points (one string a trend); bytes of a point, most points, trend keep ms,
#       audit keep ms; how many kinds, then the packed lists: put of each kind, drop of each kind.
COMMIT = Script("""
local ARGV = cmsgpack.unpack(ARGV[1])
local stored = redis.call('HMGET', KEYS[2], 'sequence', 'commit', 'command')
local sequence = stored[1] or '0'
-- This very commit, seen before: it lasts, and nothing is done twice.
if sequence == ARGV[4] and stored[2] == ARGV[5] then return {'applied', sequence} end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost', sequence} end
if sequence ~= ARGV[3] then return {'moved', sequence} end

-- The first write is one that a full Redis allows, and after it all are: a commit is
-- what lets streams be trimmed, so it must not be what a full Redis refuses.
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], 'sequence', ARGV[4], 'commit', ARGV[5], 'token', ARGV[1],
  'offset', ARGV[6], 'rewind', ARGV[7], 'command', ARGV[8])

-- Lua can hand over at most 8,000 arguments at once.
local function many(command, key, packed)
  if packed == '' then return end
  local list = cmsgpack.unpack(packed)
  for first = 1, #list, 4000 do
    redis.call(command, key, unpack(list, first, math.min(first + 3999, #list)))
  end
end
local kinds = tonumber(ARGV[22])
for kind = 1, kinds do
  many('HSET', KEYS[7 + kind], ARGV[22 + kind])
  many('HDEL', KEYS[7 + kind], ARGV[22 + kinds + kind])
end
if ARGV[13] ~= '' then
  local list = cmsgpack.unpack(ARGV[13])
  for i = 1, #list, 2 do redis.call('HINCRBY', KEYS[3], list[i], list[i + 1]) end
end
if ARGV[14] ~= '' then
  local list = cmsgpack.unpack(ARGV[14])
  for i = 1, #list, 2 do
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[9], '*', 'id', list[i], 'body', list[i + 1])
  end
end
if ARGV[15] ~= '' then
  local list = cmsgpack.unpack(ARGV[15])
  for i = 1, #list do redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[11], '*', 'body', list[i]) end
end
if ARGV[16] ~= '' then
  local list = cmsgpack.unpack(ARGV[16])
  for i = 1, #list, 4 do
    redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[12], '*', 'reason', list[i], 'entry', list[i + 1],
      'bytes', list[i + 2], 'data', list[i + 3])
  end
end
if ARGV[17] ~= '' then
  local size, most = tonumber(ARGV[18]), tonumber(ARGV[19])
  for i, points in ipairs(cmsgpack.unpack(ARGV[17])) do
    local key, length = KEYS[7 + kinds + i], 0
    -- Of more points than are kept only the last are written.
    for at = math.max(0, #points / size - most) * size + 1, #points, size do
      length = redis.call('RPUSH', key, string.sub(points, at, at + size - 1))
    end
    if length > most then redis.call('LTRIM', key, -most, -1) end
    redis.call('PEXPIRE', key, ARGV[20])
  end
end
-- What is too old goes with the shard's next commit, whatever that is about. A shard without any loses all of
-- it by itself, that long after the last of it was added.
local now = redis.call('TIME')[1] * 1000
local function age(key, keep, added)
  redis.call('XTRIM', key, 'MINID', string.format('%.0f', math.max(0, now - keep)))
  if added ~= '' then redis.call('PEXPIRE', key, keep) end
end
age(KEYS[4], ARGV[10], ARGV[14])
age(KEYS[5], ARGV[21], ARGV[15])
age(KEYS[6], ARGV[10], ARGV[16])
if ARGV[8] ~= (stored[3] or '0-0') then redis.call('XTRIM', KEYS[7], 'MINID', '~', ARGV[8]) end
return {'applied', ARGV[4]}
""")

# KEYS as for COMMIT, without trends. ARGV: how many of the kinds a new owner needs; they come first.
# Gives the lease's token, the position, and the hashes of those kinds.
# Keys of a wrong type are found here: half of a commit may not run before one of them stops it.
LOAD = Script("""
redis.call('HLEN', KEYS[3])
for stream = 4, 7 do redis.call('XLEN', KEYS[stream]) end
local found = {redis.call('GET', KEYS[1]), redis.call('HGETALL', KEYS[2])}
for kind = 8, #KEYS do
  if kind < 8 + ARGV[1] then
    found[#found + 1] = redis.call('HGETALL', KEYS[kind])
  else
    redis.call('HLEN', KEYS[kind])
  end
end
return found
""")

# KEYS: lease, position. ARGV: token. What became of a commit whose reply was lost.
STANDING = Script("""
local stored = redis.call('HMGET', KEYS[2], 'sequence', 'commit')
return {stored[1] or '0', stored[2] or '', redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0}
""")
