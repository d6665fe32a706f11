"""WFDB header files: what a record says about its signals, read strictly.

Follows the format's own description, header(5) of the WFDB Applications Guide. Unlike
common readers it fills nothing in that decides about time or voltage: a record without
a rate or without a gain is refused by those who need it, not taken for 250 Hz and
200 counts a millivolt.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from shared.wfdb.errors import RecordingError

# MIMIC's longest multi-segment headers have a few hundred kB.
MAX_HEADER_BYTES = 1 << 22

_RECORD = re.compile(r"(?P<name>[^\s/]+)(?:/(?P<segments>\d{1,9}))?\s+(?P<signals>\d{1,5})(?:\s+(?P<rest>.*))?$")
_FORMAT = re.compile(
    r"(?P<code>\d{1,4})(?:x(?P<per_frame>\d{1,6}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,15}))?$"
)
_GAIN = re.compile(
    r"(?P<gain>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)(?:\((?P<baseline>[-+]?\d{1,12})\))?(?:/(?P<units>\S+))?$"
)
_WHOLE = re.compile(r"[-+]?\d{1,15}")


@dataclass(frozen=True)
class Signal:
    """One signal line. ``gain`` is counts per unit, None where the header gives none or says 0: not calibrated."""

    file: str
    code: int
    per_frame: int
    skew: int
    offset: int
    gain: float | None
    baseline: int
    units: str
    initial: int
    checksum: int | None
    name: str


@dataclass(frozen=True)
class Segment:
    """One segment line of a multi-segment record; ``~`` is a stretch without any signal."""

    name: str
    samples: int


@dataclass(frozen=True)
class Header:
    """A record: ``rate`` as written (None if absent), ``samples`` per signal (None if absent or 0)."""

    name: str
    rate: str | None
    samples: int | None
    signals: tuple[Signal, ...]
    segments: tuple[Segment, ...]


def read_header(path: Path) -> Header:
    """The header in a file. Refuses (`RecordingError`) what does not follow the format."""
    with path.open("rb") as file:
        raw = file.read(MAX_HEADER_BYTES + 1)
    if len(raw) > MAX_HEADER_BYTES:
        raise RecordingError(f"a header of more than {MAX_HEADER_BYTES >> 20} MiB is no header")
    return parse_header(raw)


def read_comments(path: Path) -> tuple[str, ...]:
    """The comment lines of a header file, without their marks; bytes that are no UTF-8 are read as Latin-1."""
    with path.open("rb") as file:
        lines = [line.strip() for line in file.read(MAX_HEADER_BYTES).splitlines()]
    marked = [line.lstrip(b"#").strip() for line in lines if line.startswith(b"#")]
    return tuple(_text(line) for line in marked)


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def parse_header(raw: bytes) -> Header:
    """The header in these bytes; comments may be in any encoding, the rest is UTF-8."""
    lines = [line.strip() for line in raw.splitlines()]
    try:
        text = [line.decode() for line in lines if line and not line.startswith(b"#")]
    except UnicodeDecodeError:
        raise RecordingError("its header is not UTF-8 text") from None
    record = _RECORD.match(text[0]) if text else None
    if record is None:
        raise RecordingError("its header has no readable record line")
    rest = (record["rest"] or "").split()
    # "360/180(10)": what follows the rate is a counter that nothing here needs.
    rate = re.split(r"[/(]", rest[0])[0] if rest else None
    if rate is not None and not re.fullmatch(r"\d{1,9}(?:\.\d{0,15})?|\.\d{1,15}", rate):
        raise RecordingError(f"its header has an unreadable sampling rate: {rate[:40]!r}")
    samples = _whole(rest[1], "number of samples") if len(rest) > 1 else 0
    if record["segments"] is not None:
        segments = tuple(_segment(line) for line in _lines(text, int(record["segments"]), "segments"))
        return Header(record["name"], rate, samples or None, (), segments)
    signals = tuple(_signal(line) for line in _lines(text, int(record["signals"]), "signals"))
    return Header(record["name"], rate, samples or None, signals, ())


def may_have_segments(path: Path) -> bool:
    """Whether a file looks like the header of a multi-segment record, told from its beginning alone."""
    with path.open("rb") as file:
        lines = (line.strip() for line in file.read(4096).splitlines())
    first = next((line for line in lines if line and not line.startswith(b"#")), b"")
    return b"/" in first.split(None, 1)[0] if first else False


def _lines(text: list[str], promised: int, what: str) -> list[str]:
    if len(text) - 1 < promised:
        raise RecordingError(f"its header promises {promised} {what} and describes {len(text) - 1}")
    return text[1 : 1 + promised]


def _signal(line: str) -> Signal:
    fields = line.split(None, 8)
    form = _FORMAT.match(fields[1]) if len(fields) > 1 else None
    if form is None:
        raise RecordingError(f"its header has an unreadable signal line: {line[:60]!r}")
    gain, baseline, units = None, None, "mV"
    if len(fields) > 2:
        match = _GAIN.match(fields[2])
        if match is None:
            raise RecordingError(f"its header has an unreadable gain: {fields[2][:40]!r}")
        gain = float(match["gain"]) or None
        baseline = int(match["baseline"]) if match["baseline"] else None
        units = match["units"] or units
    # Resolution, zero, initial value, checksum, block size: each may be absent, then so are all after it.
    numbers: list[int | None] = [_whole(field, "signal line") for field in fields[3:8]]
    _, zero, initial, checksum, _ = (numbers + [None] * 5)[:5]
    return Signal(
        file=fields[0],
        code=int(form["code"]),
        per_frame=int(form["per_frame"] or 1) or 1,
        skew=int(form["skew"] or 0),
        offset=int(form["offset"] or 0),
        gain=gain,
        baseline=baseline if baseline is not None else (zero or 0),
        units=units,
        # header(5): where they are absent, the baseline is the converter's zero, and so is the first sample.
        initial=initial if initial is not None else (zero or 0),
        checksum=checksum,
        name=fields[8].strip() if len(fields) > 8 else "",
    )


def _segment(line: str) -> Segment:
    fields = line.split()
    if len(fields) < 2 or "/" in fields[0] or "\\" in fields[0]:
        raise RecordingError(f"its header has an unreadable segment line: {line[:60]!r}")
    return Segment(fields[0], _whole(fields[1], "segment length"))


def _whole(field: str, what: str) -> int:
    if not _WHOLE.fullmatch(field):
        raise RecordingError(f"its header has an unreadable {what}: {field[:40]!r}")
    return int(field)
