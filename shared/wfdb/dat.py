"""WFDB signal files: the samples of one signal, out of any format the format's guide lists.

The bit layouts are those of signal(5) in the WFDB Applications Guide. Only the wanted
signal is unpacked and the file is mapped, not read, so a day of twelve leads costs what
one lead costs. FLAC-compressed formats are left to the `wfdb` package.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.wfdb.errors import RecordingError
from shared.wfdb.header import Header

# A week at 400 Hz. What claims more is a broken header, or has to be cut.
MAX_SAMPLES = 1 << 28
MAPPED_FROM = 1 << 19
FLAC = {508: -(1 << 7), 516: -(1 << 15), 524: -(1 << 23)}

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Values = npt.NDArray[np.int64]


def read_signal(header_path: Path, header: Header, k: int) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Raw counts of signal ``k`` and which of them are missing.

    Refuses (`RecordingError`) a file that is absent, shorter than its header says, of an
    unknown format, or whose samples do not add up to the header's checksum.
    """
    signal = header.signals[k]
    if signal.file in {"~", "-"} or Path(signal.file).name != signal.file:
        raise RecordingError(f"its signal is not in a file beside the header but in {signal.file!r}")
    data = header_path.parent / signal.file
    if not data.is_file():
        raise RecordingError(f"its data file {signal.file} is absent")
    invalid: int | None
    if signal.code in FLAC:
        values, invalid = _from_flac(header_path, header, k), FLAC[signal.code]
    else:
        values, invalid = _unpacked(data, header, k)
    if not len(values):
        raise RecordingError("it holds no sample")
    # Several writers leave the field 0 instead of computing it; a right sum of 0 is not told from that.
    if signal.checksum and (int(values.sum()) - signal.checksum) % (1 << 16):
        raise RecordingError(
            f"the samples in {signal.file} do not add up to the header's checksum: the file is damaged"
        )
    values = values[signal.skew * signal.per_frame :]
    return values, values == invalid if invalid is not None else np.zeros(len(values), np.bool_)


def _unpacked(data: Path, header: Header, k: int) -> tuple[Values, int | None]:
    signal = header.signals[k]
    if signal.code not in _FORMATS:
        raise RecordingError(f"signal format {signal.code} is unknown")
    per_block, block_bytes, unpack, invalid = _FORMATS[signal.code]
    sharing = [i for i, other in enumerate(header.signals) if other.file == signal.file]
    if any(header.signals[i].code != signal.code for i in sharing):
        raise RecordingError(f"its header gives {signal.file} two formats")
    width = sum(header.signals[i].per_frame for i in sharing)
    before = sum(header.signals[i].per_frame for i in sharing if i < k)
    # The prolog is given once for a file, with its first signal.
    offset = header.signals[sharing[0]].offset
    there = max(0, data.stat().st_size - offset)
    if signal.code == 310:
        there -= there % 2  # half a word holds nothing
    complete = there * per_block // block_bytes // width
    frames = complete if header.samples is None else header.samples
    if frames > complete:
        raise RecordingError(
            f"{signal.file} is cut short: {complete} of the {frames} samples its header promises are there"
        )
    if frames * signal.per_frame > MAX_SAMPLES:
        raise RecordingError(f"it has more than {MAX_SAMPLES} samples: cut it into parts")
    if frames <= 0:
        return np.zeros(0, np.int64), invalid
    # Mapping costs more than reading a small file, even once for each of its signals.
    small = there < MAPPED_FROM
    raw = np.fromfile(data, np.uint8, offset=offset) if small else np.memmap(data, np.uint8, "r", offset)
    positions = np.arange(frames, dtype=np.int64)[:, None] * width + (before + np.arange(signal.per_frame))
    values = unpack(raw, positions.ravel()).astype(np.int64)
    if signal.code == 8:  # differences, from the header's initial value on
        values = values.cumsum() + signal.initial
    return values, invalid


def _from_flac(header_path: Path, header: Header, k: int) -> Values:
    import wfdb  # noqa: PLC0415 - takes half a second to import, and hardly any record needs it

    if (header.samples or 0) * header.signals[k].per_frame > MAX_SAMPLES:
        raise RecordingError(f"it has more than {MAX_SAMPLES} samples: cut it into parts")
    path = header_path.resolve()
    if "::" in str(path) or "://" in str(path):
        raise RecordingError("its path looks like a network address to the FLAC reader: rename the folder")
    try:
        record = wfdb.rdrecord(
            str(path.with_suffix("")), channels=[k], physical=False, smooth_frames=False, ignore_skew=True
        )
    except Exception as error:  # noqa: BLE001 - a decoder of foreign bytes raises anything; it is reported, not hidden
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise RecordingError(f"{header.signals[k].file} cannot be decoded: {why}") from None
    return np.asarray(record.e_d_signal[0], np.int64)


def _words(dtype: str) -> Callable[[Bytes, Positions], npt.NDArray[np.signedinteger]]:
    def unpack(raw: Bytes, at: Positions) -> npt.NDArray[np.signedinteger]:
        itemsize = np.dtype(dtype).itemsize
        found: npt.NDArray[np.signedinteger] = raw[: len(raw) // itemsize * itemsize].view(dtype)[at]
        return found

    return unpack


def _offset_binary(dtype: str, zero: int) -> Callable[[Bytes, Positions], Values]:
    words = _words(dtype)

    def unpack(raw: Bytes, at: Positions) -> Values:
        return words(raw, at).astype(np.int64) - zero

    return unpack


def _signed(values: Values, bits: int) -> Values:
    half = 1 << (bits - 1)
    return ((values + half) & ((1 << bits) - 1)) - half


def _bits_24(raw: Bytes, at: Positions) -> Values:
    low, middle, high = (raw[3 * at + i].astype(np.int64) for i in range(3))
    return _signed(low | middle << 8 | high << 16, 24)


def _bits_212(raw: Bytes, at: Positions) -> Values:
    """Two samples in three bytes; the middle byte holds the upper four bits of both."""
    second = at & 1
    start = 3 * (at >> 1)
    low = raw[start + 2 * second].astype(np.int64)
    shared = raw[start + 1].astype(np.int64)
    return _signed(low | (shared >> 4 * second & 15) << 8, 12)


def _bits_310(raw: Bytes, at: Positions) -> Values:
    """Three samples in two 16-bit words: one in each word's middle, the third in both words' top five bits."""
    words = raw[: len(raw) // 2 * 2].view("<u2")
    start, which = at // 3 * 2, at % 3
    first = words[start + (which == 1)].astype(np.int64)
    third = words[start + (which == 2)].astype(np.int64)
    return _signed(np.where(which == 2, first >> 11 | third >> 11 << 5, first >> 1), 10)


def _bits_311(raw: Bytes, at: Positions) -> Values:
    """Three samples in a 32-bit word, from the lowest bit up."""
    which = at % 3
    start = at // 3 * 4 + which
    low = raw[start].astype(np.int64)
    high = raw[start + 1].astype(np.int64)
    return _signed((low | high << 8) >> 2 * which, 10)


# Format code: samples in a block, bytes of a block, how samples at given positions are had, and the missing value.
_FORMATS: dict[int, tuple[int, int, Callable[[Bytes, Positions], npt.NDArray[np.signedinteger]], int | None]] = {
    8: (1, 1, _words("i1"), None),
    16: (1, 2, _words("<i2"), -(1 << 15)),
    24: (1, 3, _bits_24, -(1 << 23)),
    32: (1, 4, _words("<i4"), -(1 << 31)),
    61: (1, 2, _words(">i2"), -(1 << 15)),
    80: (1, 1, _offset_binary("u1", 128), -(1 << 7)),
    160: (1, 2, _offset_binary("<u2", 1 << 15), -(1 << 15)),
    212: (2, 3, _bits_212, -(1 << 11)),
    310: (3, 4, _bits_310, -(1 << 9)),
    311: (3, 4, _bits_311, -(1 << 9)),
}
