"""How cases are bent: bytes, text, numbers inside, and trees of JSON. Pure functions of a case and chance."""

import json
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

WORDS: tuple[bytes, ...] = (
    b"",
    b"\n",
    b"\r\n",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"-1",
    b"0",
    b"-0.0",
    b"1e999",
    b"1e-999",
    b"nan",
    b"NaN",
    b"-inf",
    b"Infinity",
    b"9" * 30,
    b"9" * 5000,
    b"1_000",
    b"0x10",
    "٣".encode(),
    "²".encode(),
    "𝟗".encode(),
    b"true",
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"'",
    b"\\",
    b"/",
    b"..",
    b"../../etc/passwd",
    b"~",
    b"%s%n",
    b"%00",
    b"a" * 400,
    "é".encode() * 200,
    b"[" * 3000,
    b'{"a":' * 3000,
    b"1/0",
    b"2026-02-30",
    b"10000-01-01T00:00:00Z",
)
_INTERESTING = (0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_WIDE = (2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63))
_FORMATS = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    1.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    -float("inf"),
    2**31,
    2**53,
    2**63,
    2**64,
    -(2**63),
    10**400,
    "",
    " ",
    "x",
    "\n",
    "a\nb",
    "\x00",
    "\x1b[31m",
    "\ud800",
    "é" * 200,
    "a" * 400,
    "\u2028",
    "I",
    "0",
    "1e999",
    "../x",
    [],
    {},
    [[]],
    [None],
    [0] * 200,
    {"": 0},
    {"a\nb": 1},
    {"x" * 400: 1},
)


def bent_bytes(case: bytes, chance: Random, words: Sequence[bytes] = WORDS) -> bytes:
    """One change of bytes: a bit, a number, a piece cut, doubled, moved or put in."""
    how = chance.randrange(9)
    at = chance.randrange(len(case) + 1)
    if how == 0 and case:
        at = chance.randrange(len(case))
        return case[:at] + bytes([case[at] ^ 1 << chance.randrange(8)]) + case[at + 1 :]
    if how == 1 and case:
        at = chance.randrange(len(case))
        return case[:at] + bytes([chance.randrange(256)]) + case[at + 1 :]
    if how == 2:
        return case[:at]
    if how == 3:
        return case[:at] + case[min(len(case), at + _short(chance)) :]
    if how == 4:
        piece = case[at : at + _short(chance)]
        return case[:at] + piece * chance.randrange(2, 5) + case[at:]
    if how == 5:
        return case[:at] + chance.choice(words) + case[at:]
    if how == 6:
        return case[:at] + chance.choice(words) + case[at + _short(chance) :]
    if how == 7:
        return _number_over(case, chance)
    other = chance.randrange(len(case) + 1)
    return case[:at] + case[other : other + _short(chance)] + case[at:]


def bent_text(case: bytes, chance: Random, words: Sequence[bytes] = WORDS) -> bytes:
    """One change of text: of a line, of a word in it, or of its bytes."""
    how = chance.randrange(6)
    lines = case.split(b"\n")
    k = chance.randrange(len(lines))
    if how == 0:
        del lines[k]
    elif how == 1:
        lines.insert(chance.randrange(len(lines) + 1), lines[k])
    elif how == 2:
        other = chance.randrange(len(lines))
        lines[k], lines[other] = lines[other], lines[k]
    elif how == 3:
        pieces = lines[k].split(b" ")
        pieces[chance.randrange(len(pieces))] = chance.choice(words)
        lines[k] = b" ".join(pieces)
    elif how == 4:
        lines[k] = bent_bytes(lines[k], chance, words)
    else:
        return bent_bytes(case, chance, words)
    return b"\n".join(lines)


def bent_tree(value: Any, chance: Random, values: Sequence[Any] = VALUES) -> Any:
    """One change of a tree of dicts, lists and scalars, somewhere in it; the tree given stays as it is."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        found = dict(value)
        key = chance.choice(list(found))
        how = chance.randrange(8)
        if how == 0:
            del found[key]
        elif how == 1:
            found[_name(chance)] = found.pop(key)
        elif how == 2:
            found[_name(chance)] = chance.choice(values)
        else:
            found[key] = bent_tree(found[key], chance, values)
        return found
    if isinstance(value, list | tuple) and value and chance.random() < 0.85:
        row = list(value)
        k = chance.randrange(len(row))
        how = chance.randrange(8)
        if how == 0:
            del row[k]
        elif how == 1:
            row.insert(k, row[chance.randrange(len(row))])
        elif how == 2:
            row = row * chance.choice((2, 3, 50) if len(row) < 20 else (2,)) if len(row) < 2000 else row[:20]
        else:
            row[k] = bent_tree(row[k], chance, values)
        return row
    return _other(value, chance, values)


def bent_json(case: bytes, chance: Random, dumps: Callable[[Any], bytes] | None = None) -> bytes:
    """One change of a JSON text: of the tree, or, one time in four, of the bytes."""
    if chance.random() < 0.25:
        return bent_text(case, chance)
    try:
        tree = json.loads(case)
    except (ValueError, RecursionError):
        return bent_text(case, chance)
    return (dumps or as_json)(bent_tree(tree, chance))


def as_json(tree: Any) -> bytes:
    """A tree as JSON, infinities and lone surrogates included, as a careless program writes them."""
    return json.dumps(tree).encode()


def some(kinds: Sequence[Callable[[bytes, Random], bytes]]) -> Callable[[bytes, Random], bytes]:
    """One of several ways to bend a case, each as likely."""

    def bend(case: bytes, chance: Random) -> bytes:
        return chance.choice(kinds)(case, chance)

    return bend


def _other(value: Any, chance: Random, values: Sequence[Any]) -> Any:
    how = chance.randrange(6)
    if how == 0 and isinstance(value, str):
        return bent_bytes(value.encode("utf-8", "surrogatepass"), chance).decode("utf-8", "replace")
    if how == 1 and isinstance(value, int | float) and not isinstance(value, bool):
        return chance.choice([value + 1, value - 1, -value, value * 2, str(value), [value]])
    if how == 2:
        return [value]
    if how == 3:
        return {"x": value}
    if how == 4 and chance.random() < 0.05:
        for _ in range(400):
            value = [value]
        return value
    return chance.choice(values)


def _number_over(case: bytes, chance: Random) -> bytes:
    form = struct.Struct(chance.choice(_FORMATS))
    if len(case) < form.size:
        return case
    number = chance.choice(_INTERESTING + _WIDE) if chance.random() < 0.7 else chance.getrandbits(64)
    at = chance.randrange(len(case) - form.size + 1)
    if chance.random() < 0.5:
        at -= at % form.size
    return case[:at] + form.pack(number % (1 << 8 * form.size)) + case[at + form.size :]


def _short(chance: Random) -> int:
    return chance.choice((1, 1, 2, 4, 8, 16, 64, 256))


def _name(chance: Random) -> str:
    return chance.choice(("x", "", "a\nb", "name", "x" * 400, "\x00", "I", "0", "é", "__class__"))
