"""What the owner of a shard commits and the sender reads: how far things have come.

*ShardPosition* is one hash a shard. The owner writes it in the commit script; the
sender reads ``rewind`` to trim the stream and ``offset`` to know the lag.
*PatientMark* is one small binary value a patient: how far that patient's windows are
committed, so that a restarted source resumes where the committed windows need it.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt

from shared.errors import SelfmisError

STREAM_START = "0-0"


class PositionError(SelfmisError):
    """A position record in Redis that this program did not write."""


@lru_cache(maxsize=1 << 12)  # each is looked at again and again while its step lasts
def parse_id(entry_id: str) -> tuple[int, int]:
    """A stream entry id as (milliseconds, sequence), which sort as Redis sorts them."""
    milliseconds, dash, sequence = entry_id.partition("-")
    if not (dash and _is_number(milliseconds) and _is_number(sequence)):
        raise PositionError(f"{entry_id!r} is no stream entry id (milliseconds-sequence)")
    return int(milliseconds), int(sequence)


def _is_number(text: str) -> bool:
    """Digits alone, and no more than 64 bits have."""
    return text.isascii() and text.isdigit() and len(text) <= 20


@dataclass(frozen=True, slots=True)
class ShardPosition:
    """How far the owner of a shard has come. Ids are stream entry ids.

    ``offset``: last entry whose effects are committed. ``rewind``: oldest entry that some
    open window still needs, never after ``offset``'s successor: a new owner reads from here,
    nobody needs what is older. ``sequence``: number of commits. ``commit``: the last
    commit's own id. ``token``: the owner's, of the last commit. ``command``: last applied
    entry of the command stream.
    """

    offset: str = STREAM_START
    rewind: str = STREAM_START
    sequence: int = 0
    commit: str = ""
    token: str = ""
    command: str = STREAM_START

    def __post_init__(self) -> None:
        parse_id(self.offset)
        parse_id(self.rewind)
        parse_id(self.command)

    def to_redis(self) -> dict[str, str]:
        """The fields of the hash."""
        return {
            "offset": self.offset,
            "rewind": self.rewind,
            "sequence": str(self.sequence),
            "commit": self.commit,
            "token": self.token,
            "command": self.command,
        }

    @classmethod
    def from_redis(cls, fields: Mapping[bytes, bytes]) -> Self:
        """Read the hash; an empty one is the start. Unknown fields are a newer program's and ignored."""
        try:
            text = {name.decode(): value.decode() for name, value in fields.items()}
        except UnicodeDecodeError:
            raise PositionError("a shard's position holds what is no text: not ours") from None
        known = {name: text[name] for name in cls.__dataclass_fields__ if name in text and name != "sequence"}
        sequence = text.get("sequence", "0")
        if not _is_number(sequence):
            raise PositionError(f"commit sequence {sequence!r} in a shard's position is no number")
        return cls(sequence=int(sequence), **known)

    def needed(self, horizon_ms: int, now_ms: int) -> str:
        """The oldest entry id still needed: the owner's rewind, or older by the replay horizon.

        ``now_ms``: the store's clock. Where it was set back, ids go on at the old time, so that is when now is.
        """
        rewind = parse_id(self.rewind)
        horizon = (max(0, max(now_ms, parse_id(self.offset)[0]) - horizon_ms), 0)
        milliseconds, sequence = min(rewind, horizon)
        return f"{milliseconds}-{sequence}"


# One layout, as a struct for one mark and as a dtype for many.
_MARK = struct.Struct("<BxxxIQqqqq")
_MARK_VERSION = 1
_MOST_SAMPLES = 2**54  # a frame's first sample is at most 2**53 (`shared.frames`)
_MARK_FIELDS = ("session", "session_start_us", "rate_mhz", "next_window", "next_sample", "high_water")
_MARKS = np.dtype(
    [
        ("version", "u1"),
        ("padding", "V3"),
        ("rate_mhz", "<u4"),
        ("session", "<u8"),
        ("session_start_us", "<i8"),
        ("next_window", "<i8"),
        ("next_sample", "<i8"),
        ("high_water", "<i8"),
    ]
)


@dataclass(frozen=True, slots=True)
class PatientMark:
    """How far one patient's windows are committed, all in terms of one session.

    ``next_window`` counts windows; ``next_sample`` is the first sample that window needs;
    ``high_water`` is one past the newest sample seen when that window became the next.
    """

    session: int
    session_start_us: int
    rate_mhz: int
    next_window: int
    next_sample: int
    high_water: int

    def pack(self) -> bytes:
        """The value in the marks hash."""
        return _MARK.pack(
            _MARK_VERSION,
            self.rate_mhz,
            self.session,
            self.session_start_us,
            self.next_window,
            self.next_sample,
            self.high_water,
        )

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        """Mirror image of `pack`."""
        if len(raw) != _MARK.size or raw[0] != _MARK_VERSION:
            raise PositionError(f"a patient mark of {len(raw)} bytes, version {raw[:1].hex() or 'none'}: not ours")
        _, rate, session, start, window, sample, high = _MARK.unpack(raw)
        if not all(0 <= number <= _MOST_SAMPLES for number in (window, sample, high)):
            raise PositionError("a patient mark beyond all samples that a session can have: not ours")
        return cls(session, start, rate, window, sample, high)


def pack_marks(**fields: npt.NDArray[np.integer]) -> list[bytes]:
    """`PatientMark.pack` of many patients at once: an array for each field of `PatientMark`, of one length."""
    if set(fields) != set(_MARK_FIELDS):
        raise TypeError(f"marks have the fields {', '.join(_MARK_FIELDS)}")
    marks = np.zeros(len(fields["session"]), _MARKS)
    marks["version"] = _MARK_VERSION
    for name, values in fields.items():
        marks[name] = values
    raw = marks.tobytes()
    return [raw[at : at + _MARKS.itemsize] for at in range(0, len(raw), _MARKS.itemsize)]


def read_marks(raws: Sequence[bytes]) -> npt.NDArray[np.void]:
    """`PatientMark.unpack` of many at once: rows with the fields of `PatientMark`; refuses what is none."""
    if any(len(raw) != _MARKS.itemsize for raw in raws):
        raise PositionError("patient marks of a wrong length: not ours")
    rows = np.frombuffer(b"".join(raws), _MARKS)
    if (rows["version"] != _MARK_VERSION).any():
        raise PositionError("patient marks of an unknown version: not ours")
    return rows
