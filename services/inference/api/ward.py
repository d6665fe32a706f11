"""Everybody at a glance: of each patient the newest window, the standing, the alarms in force. Redis' edge.

One script a shard packs what views need into a few long strings: of 20,000 patients most are well, and a reply of
40,000 short strings takes redis-py a quarter of a second to take apart, one of 64 long ones nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.inference.alarms import Kind as AlarmKind
from services.inference.alarms import Phase, Priority, Status
from services.inference.alarms.slot import Slot
from services.inference.alarms.standing import ADMITTED, Standing, unpack
from services.inference.alarms.watches import Watch, is_system
from services.inference.api.patient_json import ANY_MI, UNHEARD, alarm_view, standing_view, window_views
from services.inference.commit.script import Script
from services.inference.monitor.latest import LATEST
from shared.redis.connection import Client
from shared.shards import latest_key, roster_key, shard_of, silence_key, state_key

MI_ALARM, TECHNICAL = "mi", "technical"
Rows = npt.NDArray[np.intp]

# KEYS: latest, state, roster, silence. ARGV: bytes of a latest record, NUL.
# Of those who are simply well (no tail in their state) nothing but the latest record is sent.
_WARD = Script("""
local size, nul = tonumber(ARGV[1]), ARGV[2]
local names, records, heard = {}, {}, {}
local latest = redis.call('HGETALL', KEYS[1])
for i = 1, #latest, 2 do
  if #latest[i + 1] == size then
    names[#names + 1], records[#records + 1], heard[latest[i]] = latest[i], latest[i + 1], true
  end
end
local state, expected, told = redis.call('HGETALL', KEYS[2]), {}, {}
for i = 1, #state, 2 do
  if not heard[state[i]] then expected[#expected + 1] = state[i] end
  if string.byte(state[i + 1], 2) ~= 0 then
    told[#told + 1] = state[i]
    told[#told + 1] = state[i + 1]
  end
end
return {table.concat(names, nul), table.concat(records), table.concat(expected, nul), told,
  redis.call('HGETALL', KEYS[3]), redis.call('HGETALL', KEYS[4])}
""")
# KEYS: silence. ARGV: the id of an alarm. Whether it is one of the system's alarms that are kept here.
_SYSTEM = Script("""
local kept = redis.call('HGETALL', KEYS[1])
for i = 1, #kept, 2 do
  if string.byte(kept[i], 1) == 0 and string.find(kept[i + 1], ARGV[1], 1, true) then return 1 end
end
return 0
""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which patients a listing is about, and in which order."""

    search: str = ""
    status: Status | None = None
    alarm: str = ""
    by_name: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Ward:
    """All patients. ``records``: of the first so many ``names``; the others are expected and were not heard yet.

    ``standings``: of those who differ from an admitted patient without alarms. ``devices``: of those who have one.
    ``system``: alarms in force that are about nobody alone, each with its shard.
    """

    names: tuple[str, ...]
    records: npt.NDArray[np.void]
    standings: Mapping[str, Standing]
    devices: Mapping[str, str]
    system: tuple[tuple[int, Slot], ...] = ()

    def standing(self, name: str) -> Standing:
        """A patient's standing."""
        return self.standings.get(name, ADMITTED)

    def rows(self, wanted: Wanted) -> Rows:
        """Who is wanted, in order. By risk: MI alarms first (priority, then the unanswered), then any-MI."""
        keep = np.ones(len(self.names), bool)
        if wanted.search:
            needle, device = wanted.search.casefold(), self.devices.get
            found = (needle in name.casefold() or needle in device(name, "").casefold() for name in self.names)
            keep &= np.fromiter(found, bool, len(self.names))
        if wanted.status is not None or wanted.alarm:
            keep &= np.fromiter((self._fits(name, wanted) for name in self.names), bool, len(self.names))
        rows = np.flatnonzero(keep)
        names = np.array([self.names[row] for row in rows.tolist()], dtype=object)
        if wanted.by_name:
            return rows[np.argsort(names, kind="stable")]
        risk = np.full(len(self.names), -1.0, np.float32)
        risk[: len(self.records)] = np.nan_to_num(self.records["scores"][:, ANY_MI], nan=-1.0)
        urgent = np.zeros(len(self.names), np.int64)
        for row, name in enumerate(self.names):
            if name in self.standings:
                urgent[row] = _urgency(self.standings[name])
        return rows[np.lexsort((_ranks(names), -risk[rows], -urgent[rows]))]

    def _fits(self, name: str, wanted: Wanted) -> bool:
        standing = self.standing(name)
        if wanted.status is not None and standing.status is not wanted.status:
            return False
        return not wanted.alarm or any(_sort(slot) == wanted.alarm for slot in standing.slots if slot.active)

    def views(self, rows: Rows) -> list[dict[str, Any]]:
        """Some patients for JSON. About 20 µs each."""
        heard = iter(window_views(self.records[rows[rows < len(self.records)]]))
        return [
            {
                "patient": (name := self.names[row]),
                "device": self.devices.get(name, ""),
                **standing_view(self.standing(name)),
                **(next(heard) if row < len(self.records) else UNHEARD),
            }
            for row in rows.tolist()
        ]


def read_ward(client: Client, shards: int) -> Ward:
    """Everybody. One round trip; in a cluster one a shard. About 0.3 ms of the server's time for 300 patients."""
    calls = [
        ((latest_key(s), state_key(s), roster_key(s), silence_key(s)), (LATEST.itemsize, b"\0"))
        for s in range(shards)
    ]
    heard: list[str] = []
    expected: list[str] = []
    raw: list[bytes] = []
    standings: dict[str, Standing] = {}
    devices: dict[str, str] = {}
    system: list[tuple[int, Slot]] = []
    for shard, reply in enumerate(_WARD.many(client, calls)):
        if isinstance(reply, Exception):
            raise reply
        names, records, others, told, roster, silence = reply
        heard += _names(names)
        raw.append(records)
        expected += _names(others)
        for name, state in zip(told[::2], told[1::2], strict=True):
            standings[name.decode()] = unpack(state)[1]
        for key, watch in zip(silence[::2], silence[1::2], strict=True):
            slot = Watch.unpack(key, watch).slot
            if not is_system(key):
                standings[key.decode()] = standings.get(key.decode(), ADMITTED).with_slot(slot)
            elif slot.active:
                system.append((shard, slot))
        for name, device in zip(roster[::2], roster[1::2], strict=True):
            devices[name.decode()] = device.decode()
    return Ward((*heard, *expected), np.frombuffer(b"".join(raw), LATEST), standings, devices, tuple(system))


def read_patient(client: Client, shards: int, name: str) -> Ward | None:
    """A ward of one; None if nobody is so called."""
    key = name.encode()
    shard = shard_of(key, shards)
    pipe = client.pipeline(transaction=False)
    pipe.hget(latest_key(shard), key)
    pipe.hget(state_key(shard), key)
    pipe.hget(roster_key(shard), key)
    pipe.hget(silence_key(shard), key)
    latest, state, device, silence = pipe.execute()
    if state is None and (latest is None or len(latest) != LATEST.itemsize):
        return None
    standing = ADMITTED if state is None else unpack(state)[1]
    if silence is not None:
        standing = standing.with_slot(Watch.unpack(key, silence).slot)
    record = latest if latest is not None and len(latest) == LATEST.itemsize else b""
    devices = {} if device is None else {name: device.decode()}
    return Ward((name,), np.frombuffer(record, LATEST), {name: standing}, devices)


def shards_of_system_alarm(client: Client, shards: int, alarm: str) -> list[int]:
    """Where a system alarm is kept: in one shard, unless several noticed at the same moment."""
    replies = _SYSTEM.many(client, [((silence_key(s),), (bytes.fromhex(alarm),)) for s in range(shards)])
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return [shard for shard, found in enumerate(replies) if found]


def counted(ward: Ward) -> dict[str, Any]:
    """How many patients are in which state and how many alarms are in force."""
    status = dict.fromkeys((s.label for s in Status), 0)
    status[Status.ADMITTED.label] = len(ward.names)
    mi = dict.fromkeys((p.label for p in reversed(Priority) if p), 0)
    technical = len(ward.system)
    unanswered = sum(slot.phase is not Phase.ACKNOWLEDGED for _, slot in ward.system)
    for standing in ward.standings.values():
        status[Status.ADMITTED.label] -= 1
        status[standing.status.label] += 1
        for slot in standing.slots:
            if not slot.active:
                continue
            unanswered += slot.phase is not Phase.ACKNOWLEDGED
            if slot.kind is AlarmKind.MI:
                mi[slot.priority.label] += 1
            else:
                technical += 1
    return {
        "patients": status,
        "alarms": {"mi": mi, "technical": technical, "unacknowledged": unanswered},
        "system": [alarm_view(slot) | {"shard": shard} for shard, slot in ward.system],
    }


def _urgency(standing: Standing) -> int:
    """Above 0 with an MI alarm in force; below for whom nobody watches."""
    slot = standing.slot(AlarmKind.MI)
    if slot.active:
        return 2 * int(slot.priority) + (slot.phase is not Phase.ACKNOWLEDGED)
    return -int(standing.status)


def _sort(slot: Slot) -> str:
    return MI_ALARM if slot.kind is AlarmKind.MI else TECHNICAL


def _ranks(names: npt.NDArray[np.object_]) -> Rows:
    """Each name's place in alphabetical order."""
    ranks = np.empty(len(names), np.intp)
    ranks[np.argsort(names, kind="stable")] = np.arange(len(names))
    return ranks


def _names(joined: bytes) -> list[str]:
    return joined.decode().split("\0") if joined else []
