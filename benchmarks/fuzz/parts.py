"""Several named pieces of bytes as one case, and back; whatever the bytes are, they are some pieces."""

import struct
from collections.abc import Mapping
from random import Random

_HEAD = struct.Struct("<BI")

Parts = dict[str, bytes]


def join(parts: Mapping[str, bytes]) -> bytes:
    """The pieces one behind the other, each with its name."""
    found = bytearray()
    for name, body in parts.items():
        raw = name.encode()[:255]
        found += _HEAD.pack(len(raw), len(body)) + raw + body
    return bytes(found)


def split(case: bytes) -> Parts:
    """Mirror image of `join`; of bytes that are none, as much as can be told, the rest belonging to the last."""
    parts: Parts = {}
    at = 0
    while at + _HEAD.size <= len(case):
        named, length = _HEAD.unpack_from(case, at)
        at += _HEAD.size
        name = case[at : at + named].decode(errors="replace")
        at += named
        parts[name] = case[at : at + length]
        at += length
    return parts


def chosen(parts: Mapping[str, bytes], chance: Random) -> str:
    """The name of one of them; "" where there is none."""
    return chance.choice(sorted(parts)) if parts else ""
