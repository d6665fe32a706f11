"""Lists of strings as MessagePack, which every Redis' Lua unpacks in C (`cmsgpack`).

One argument instead of thousands: redis-py spends more on handing over an argument than Redis on
storing it. Measured at 1,000 patients, packing first took less than half the client's time.
"""

from collections.abc import Iterable, Mapping
from itertools import chain


def packed(strings: Iterable[bytes]) -> bytes:
    """A flat array of byte strings; empty bytes for an empty one, which the scripts skip."""
    every = list(strings)
    if not every:
        return b""
    heads = [_SHORT[length] if length < len(_SHORT) else _head(length) for length in map(len, every)]
    body = chain.from_iterable(zip(heads, every, strict=True))
    return b"\xdd" + len(every).to_bytes(4, "big") + b"".join(body)


def packed_pairs(pairs: Mapping[bytes, bytes]) -> bytes:
    """A mapping as a flat array: name, value, name, value …"""
    if not pairs:
        return b""
    return packed(chain.from_iterable(pairs.items()))


def _head(length: int) -> bytes:
    if length < 32:
        return bytes((0xA0 | length,))
    if length < 1 << 8:
        return bytes((0xD9, length))
    if length < 1 << 16:
        return b"\xda" + length.to_bytes(2, "big")
    return b"\xdb" + length.to_bytes(4, "big")


_SHORT = [_head(length) for length in range(1 << 8)]
