"""Lists of strings as MessagePack, which every Redis' Lua unpacks in C (`cmsgpack`).

One argument instead of thousands: redis-py spends more on handing over an argument than Redis on
storing it. Measured at 1,000 patients, packing first took less than half the client's time.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache


def packed(strings: Iterable[bytes]) -> bytes:
    """A flat array of byte strings; empty bytes for an empty one, which the scripts skip."""
    parts = [part for string in strings for part in (_head(len(string)), string)]
    return b"\xdd" + (len(parts) // 2).to_bytes(4, "big") + b"".join(parts) if parts else b""


def packed_pairs(pairs: Mapping[bytes, bytes]) -> bytes:
    """A mapping as a flat array: name, value, name, value …"""
    if not pairs:
        return b""
    return packed([part for pair in pairs.items() for part in pair])


@lru_cache(maxsize=1024)
def _head(length: int) -> bytes:
    if length < 32:
        return bytes((0xA0 | length,))
    if length < 1 << 8:
        return bytes((0xD9, length))
    if length < 1 << 16:
        return b"\xda" + length.to_bytes(2, "big")
    return b"\xdb" + length.to_bytes(4, "big")
