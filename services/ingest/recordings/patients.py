"""What replayed patients are called."""

import zlib
from collections import Counter
from collections.abc import Sequence

from shared.frames import MAX_PATIENT_BYTES

PREFIX = "replay"


def numbered(n: int, prefix: str = PREFIX) -> list[str]:
    """``replay-00000``, ``replay-00001`` …"""
    width = max(5, len(str(n - 1)))
    return [f"{prefix}-{i:0{width}}" for i in range(n)]


def named_after(recordings: Sequence[str]) -> list[str]:
    """A patient for each recording, called as its file is, or with its folders where that is not unique.

    Names too long for a frame keep their end, and a checksum tells them apart.
    """
    short = [name.rpartition("/")[2] or name for name in recordings]
    times = Counter(short)
    names = [_fitting(s if times[s] == 1 else full) for s, full in zip(short, recordings, strict=True)]
    times = Counter(names)
    # Two names that clash even so (a file called like another's checksum) are told apart by number.
    return [name if times[name] == 1 else f"{PREFIX}-{i:05}" for i, name in enumerate(names)]


def _fitting(name: str) -> str:
    raw = name.encode()
    if len(raw) <= MAX_PATIENT_BYTES:
        return name
    mark = f"{zlib.crc32(raw):08x}~"
    # The end tells files of one folder apart; a character cut in two is dropped.
    return mark + raw[len(mark) - MAX_PATIENT_BYTES :].decode("utf-8", "ignore")
