"""What is kept of silence: by patient, source or shard the alarm about it, as bytes and back."""

from dataclasses import dataclass

from services.inference.alarms.slot import Slot
from services.inference.alarms.standing import StateError, pack_slot, unpack_slots
from services.inference.alarms.terms import Kind

_VERSION = 1
# The key of a system alarm begins with NUL, as no patient's name does; its length says what it is about.
_SYSTEM, _SOURCE_BYTES, _SHARD_BYTES = b"\0", 8, 2


@dataclass(frozen=True, slots=True)
class Watch:
    """One thing that can fall silent. Disarmed once it has alarmed, until it is heard again."""

    slot: Slot
    armed: bool = True

    def pack(self) -> bytes:
        """The value in the committed state."""
        return bytes([_VERSION, self.armed]) + pack_slot(self.slot)

    @classmethod
    def unpack(cls, key: bytes, state: bytes) -> "Watch":
        """Mirror image of `pack` for the state under ``key``; a `StateError` says what is not ours."""
        if len(state) < 2 or state[0] != _VERSION or (is_system(key) and len(key) not in _LENGTHS):
            raise StateError(f"liveness state of {len(state)} bytes: not ours")
        slots = unpack_slots(state[2:])
        kind = Kind.SYSTEM_SILENT if is_system(key) else Kind.STREAM_LOST
        if len(slots) != 1 or slots[0].kind is not kind:
            raise StateError("liveness state of another kind: not ours")
        return cls(slots[0], bool(state[1]))


@dataclass(frozen=True, slots=True)
class Subject:
    """What a system alarm is about: a source by its session, a shard, or (neither) everybody."""

    session: int | None = None
    shard: int | None = None

    @property
    def label(self) -> str:
        """For people and for ids."""
        if self.session is not None:
            return "source"
        return "everybody" if self.shard is None else f"shard_{self.shard}"


_LENGTHS = {1, 1 + _SHARD_BYTES, 1 + _SOURCE_BYTES}


def of_source(session: int) -> bytes:
    """The key of the alarm about a source."""
    return _SYSTEM + session.to_bytes(_SOURCE_BYTES, "little")


def of_shard(shard: int) -> bytes:
    """The key of the alarm about a shard."""
    return _SYSTEM + shard.to_bytes(_SHARD_BYTES, "little")


def everybody() -> bytes:
    """The key of the alarm about everybody."""
    return _SYSTEM


def is_system(key: bytes) -> bool:
    """Whether a key is not a patient's name."""
    return key[:1] == _SYSTEM


def subject(key: bytes) -> Subject:
    """What a system alarm's key stands for."""
    body = key[1:]
    if len(body) == _SOURCE_BYTES:
        return Subject(session=int.from_bytes(body, "little"))
    return Subject(shard=int.from_bytes(body, "little")) if body else Subject()
