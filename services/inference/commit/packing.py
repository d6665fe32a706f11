"""Lists of strings as MessagePack, which every Redis' Lua unpacks in C (`cmsgpack`).

One argument instead of thousands: redis-py spends more on handing over an argument than Redis on
storing it. Measured at 1,000 patients, packing first took less than half the client's time.
"""

from collections.abc import Iterable, Mapping


def packed(strings: Iterable[bytes]) -> bytes:
    """A flat array of byte strings; empty bytes for an empty one, which the scripts skip."""
    parts: list[bytes] = []
    items = 0
    for string in strings:
        items += 1
        parts += (_head(len(string)), string)
    return b"\xdd" + items.to_bytes(4, "big") + b"".join(parts) if items else b""


def packed_pairs(pairs: Mapping[bytes, bytes]) -> bytes:
    """A mapping as a flat array: name, value, name, value …"""
    return packed(part for pair in pairs.items() for part in pair)


def _head(length: int) -> bytes:
    if length < 32:
        return bytes((0xA0 | length,))
    if length < 1 << 8:
        return bytes((0xD9, length))
    if length < 1 << 16:
        return b"\xda" + length.to_bytes(2, "big")
    return b"\xdb" + length.to_bytes(4, "big")
