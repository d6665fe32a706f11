"""The record batch: how frames of samples travel, as bytes, from ingest to inference.

A *frame* is some consecutive samples of one patient. A *record batch* is one or
more frames back to back, the single field of a stream entry. Everything is
little-endian and every frame starts on an 8-byte boundary of the batch::

    offset  size  field
         0     4  checksum          multilinear-32 over all bytes of the frame after these four
         4     1  version           1
         5     1  lead              index into LEADS
         6     2  count             samples in this frame, 1 … 65,535
         8    32  patient           UTF-8, 1 … 32 bytes, NUL-padded
        40     8  session           session id, chosen at random by the source
        48     8  session_start_us  stamped by ingest: Unix time of sample 0, microseconds
        56     8  first             index of the first sample since the session began
        64     4  rate_mhz          sampling rate in millihertz, 50,000 … 1,000,000
        68     4  uv_per_lsb        float32, microvolts per count
        72    2n  samples           int16
      72+2n   0…6  zero bytes up to the next multiple of 8

A batch of equally long frames is one `numpy.frombuffer`; nothing here loops over
frames in Python but the mixed case, which loops over *runs* of equal frames.

The checksum is multilinear hashing (Lemire and Kaser, "Strongly universal string
hashing is fast", 2014): the upper 32 bits of ``sum(word[i] * key[i]) mod 2**64``
over 32-bit words, with fixed odd 64-bit keys. Unlike
``zlib.crc32`` it is one array operation for all frames of a batch. It guards against
faults, not against an adversary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from shared.errors import SelfmisError

VERSION = 1
HEADER_BYTES = 72
ALIGNMENT = 8
MAX_PATIENT_BYTES = 32
MAX_COUNT = 65_535
MIN_RATE_MHZ, MAX_RATE_MHZ = 50_000, 1_000_000
# A session of 64-bit indices would outlast everyone; the bound keeps sums of indices exact everywhere.
MAX_FIRST = 2**53
LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")

HEADER = np.dtype(
    [
        ("checksum", "<u4"),
        ("version", "u1"),
        ("lead", "u1"),
        ("count", "<u2"),
        ("patient", f"S{MAX_PATIENT_BYTES}"),
        ("session", "<u8"),
        ("session_start_us", "<i8"),
        ("first", "<i8"),
        ("rate_mhz", "<u4"),
        ("uv_per_lsb", "<f4"),
    ]
)
Headers = npt.NDArray[np.void]
Samples = npt.NDArray[np.int16]


class FrameError(SelfmisError):
    """Bytes that are no record batch, or frames that cannot become one. ``reason`` is a fixed, countable word."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, eq=False, slots=True)
class Frames:
    """Equally long frames: ``headers`` (n, dtype `HEADER`) and ``samples`` (n × count, int16).

    What `decode` gives is a read-only view of the received bytes; nothing is copied.
    """

    headers: Headers
    samples: Samples

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.headers.shape != self.samples.shape[:1]:
            raise FrameError("shape", f"{self.headers.shape} headers do not fit samples {self.samples.shape}")

    def __len__(self) -> int:
        return len(self.headers)

    @property
    def count(self) -> int:
        """Samples in each of these frames."""
        return int(self.samples.shape[1])

    def millivolts(self) -> npt.NDArray[np.float32]:
        """The samples in millivolts (n × count, float32)."""
        scale = self.headers["uv_per_lsb"].astype(np.float32) * np.float32(1e-3)
        millivolts: npt.NDArray[np.float32] = self.samples.astype(np.float32) * scale[:, None]
        return millivolts


def frame_bytes(count: int) -> int:
    """Bytes of one frame of ``count`` samples, padding included."""
    return HEADER_BYTES + -(-2 * count // ALIGNMENT) * ALIGNMENT


def patient_bytes(name: str) -> bytes:
    """A patient id as a header holds it; refuses one that would be cut short or could not be read back."""
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raise FrameError("patient", "a patient id is text that UTF-8 can carry") from None
    if not 1 <= len(raw) <= MAX_PATIENT_BYTES or any(b < 0x20 or b == 0x7F for b in raw):
        raise FrameError("patient", f"a patient id is 1 to {MAX_PATIENT_BYTES} bytes of UTF-8 without controls")
    return raw


def headers(n: int) -> Headers:
    """``n`` headers with every field zero but the version; fill the fields by name."""
    made = np.zeros(n, HEADER)
    made["version"] = VERSION
    return made


def encode(frames: Frames) -> bytes:
    """The record batch of ``frames``: version, count and checksum are stamped here.

    Refuses (`FrameError`) what `decode` would refuse, so nothing that is sent is undecodable.
    """
    n, count = frames.samples.shape
    if n == 0:
        raise FrameError("empty", "a record batch needs at least one frame")
    if not 1 <= count <= MAX_COUNT:
        raise FrameError("count", f"a frame holds 1 to {MAX_COUNT} samples, not {count}")
    dtype = _frame_dtype(count)
    batch = np.zeros(n, dtype)
    batch["header"] = frames.headers
    batch["samples"] = frames.samples
    header = batch["header"]
    header["version"] = VERSION
    header["count"] = count
    _check_fields(header)
    header["checksum"] = _checksums(batch)
    return batch.tobytes()


def decode(batch: bytes) -> list[Frames]:
    """The frames of a record batch in their order, as runs of equally long frames.

    Costs one `numpy.frombuffer` and a handful of vectorised checks per run. Raises
    nothing but `FrameError`, whatever the bytes; then no frame of the batch is given.
    """
    return list(_runs(batch))


def decode_many(batches: Sequence[bytes]) -> list[list[Frames] | FrameError]:
    """`decode` of each batch, or why it is refused: exactly what `decode` alone gives or raises.

    Batches whose frames are all of one length are checked together, at 2 instead of 30 µs a batch; one that
    does not hold what it promises sends those it was with through `decode`, one by one.
    """
    alike: dict[int, list[int]] = {}
    for i, batch in enumerate(batches):
        count = int.from_bytes(batch[6:8], "little")
        if count and batch and len(batch) % frame_bytes(count) == 0:
            alike.setdefault(count, []).append(i)
    found: list[list[Frames] | FrameError | None] = [None] * len(batches)
    for count, places in alike.items():
        for i, run in zip(places, _together([batches[i] for i in places], frame_bytes(count)), strict=False):
            found[i] = [run]
    return [_decoded(batch) if known is None else known for batch, known in zip(batches, found, strict=True)]


def _together(batches: Sequence[bytes], size: int) -> list[Frames]:
    """One run for each batch of equally long frames, or nothing where any of them is otherwise."""
    joined = b"".join(batches)
    try:
        run, length = _run_at(joined, 0)
    except FrameError:
        return []
    if length != len(joined):
        return []
    found, at = [], 0
    for batch in batches:
        rows = slice(at, at + len(batch) // size)
        found.append(Frames(run.headers[rows], run.samples[rows]))
        at = rows.stop
    return found


def _decoded(batch: bytes) -> list[Frames] | FrameError:
    try:
        return decode(batch)
    except FrameError as error:
        return error


def _runs(batch: bytes) -> Iterator[Frames]:
    size = len(batch)
    if size == 0:
        raise FrameError("empty", "an empty record batch")
    if size % ALIGNMENT:
        raise FrameError("length", f"a record batch is a multiple of {ALIGNMENT} bytes, this one has {size}")
    offset = 0
    while offset < size:
        run, length = _run_at(batch, offset)
        yield run
        offset += length


def _run_at(batch: bytes, offset: int) -> tuple[Frames, int]:
    """The longest run of frames as long as the one at ``offset``, and its length in bytes."""
    left = len(batch) - offset
    if left < HEADER_BYTES:
        raise FrameError("truncated", f"{left} bytes left at {offset}, a header has {HEADER_BYTES}")
    version = batch[offset + 4]
    if version != VERSION:
        raise FrameError("version", f"frame at byte {offset} has version {version}, this program reads {VERSION}")
    count = int.from_bytes(batch[offset + 6 : offset + 8], "little")
    if count == 0:
        raise FrameError("count", f"frame at byte {offset} holds no sample")
    dtype = _frame_dtype(count)
    if left < dtype.itemsize:
        raise FrameError("truncated", f"frame at byte {offset} needs {dtype.itemsize} bytes, {left} are left")
    frames = _equal_frames(batch, offset, count, dtype)
    header = frames["header"]
    good = header["checksum"] == _checksums(frames)
    if not good.all():
        # A sample of a longer frame may look like a count by chance; the run ends where the checksum says so.
        bad = int(np.argmin(good))
        if bad == 0:
            raise FrameError("checksum", f"frame at byte {offset} has a wrong checksum")
        frames = frames[:bad]
        header = frames["header"]
    _check_fields(header)
    return Frames(header, frames["samples"]), len(frames) * dtype.itemsize


def _equal_frames(batch: bytes, offset: int, count: int, dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Frames from ``offset`` on whose headers say ``count``; at least the first, whose header does."""
    most = (len(batch) - offset) // dtype.itemsize
    look = 16
    while True:
        frames = np.frombuffer(batch, dtype, count=min(look, most), offset=offset)
        # Where the next frames are of another length, what lies at our stride is not a header: stop before it.
        same = (frames["header"]["count"] == count) & (frames["header"]["version"] == VERSION)
        if not same.all():
            return frames[: int(np.argmin(same))]
        if look >= most:
            return frames
        look *= 8  # growing looks keep a batch of ever-changing lengths linear


def _check_fields(header: Headers) -> None:
    _refuse(header, header["lead"] >= len(LEADS), "lead", f"a lead is 0 to {len(LEADS) - 1}")
    rate = header["rate_mhz"]
    _refuse(header, (rate < MIN_RATE_MHZ) | (rate > MAX_RATE_MHZ), "rate", "a rate is 50 to 1000 Hz")
    first = header["first"]
    _refuse(header, (first < 0) | (first > MAX_FIRST), "first", f"a sample index is 0 to {MAX_FIRST}")
    scale = header["uv_per_lsb"]
    # A NaN fails every comparison and so is refused here as well.
    _refuse(header, ~((scale > 0) & (scale <= 1e4)), "gain", "microvolts per count are above 0 and at most 10,000")
    _refuse(header, header["session_start_us"] < 0, "session_start", "a session starts after 1970")
    _check_patients(header)


def _check_patients(header: Headers) -> None:
    raw = np.ascontiguousarray(header["patient"]).view(np.uint8).reshape(len(header), MAX_PATIENT_BYTES)
    zero = raw == 0
    _refuse(header, zero[:, 0], "patient", "a patient id is not empty")
    _refuse(header, (zero[:, :-1] & ~zero[:, 1:]).any(axis=1), "patient", "a patient id has no NUL inside")
    _refuse(header, ((raw < 0x20) & ~zero | (raw == 0x7F)).any(axis=1), "patient", "a patient id has no controls")
    if (raw >= 0x80).any():  # ASCII, the usual case, needs no further look
        for i in np.flatnonzero((raw >= 0x80).any(axis=1)):
            try:
                bytes(header["patient"][i]).decode()
            except UnicodeDecodeError:
                raise FrameError("patient", f"frame {i}: a patient id is UTF-8") from None


def _refuse(header: Headers, wrong: npt.NDArray[np.bool_], reason: str, rule: str) -> None:
    if wrong.any():
        # The index, never the patient: error texts reach logs.
        raise FrameError(reason, f"frame {int(np.argmax(wrong))} of {len(header)}: {rule}")


@lru_cache(maxsize=256)
def _frame_dtype(count: int) -> np.dtype[np.void]:
    return np.dtype(
        {
            "names": ["header", "samples"],
            "formats": [HEADER, ("<i2", (count,))],
            "offsets": [0, HEADER_BYTES],
            "itemsize": frame_bytes(count),
        }
    )


def _checksums(frames: npt.NDArray[np.void]) -> npt.NDArray[np.uint32]:
    """Multilinear-32 of each frame; the first word, the checksum's own place, has key zero."""
    words = frames.view(np.uint32).reshape(len(frames), -1)
    sums = np.einsum("ij,j->i", words, _keys(words.shape[1]), dtype=np.uint64, casting="unsafe")
    upper: npt.NDArray[np.uint32] = (sums >> np.uint64(32)).astype(np.uint32)
    return upper


@lru_cache(maxsize=256)
def _keys(words: int) -> npt.NDArray[np.uint64]:
    """SplitMix64 of 1, 2, 3 …, made odd: so any one changed word changes the sum."""
    z = np.arange(words, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    keys: npt.NDArray[np.uint64] = (z ^ (z >> np.uint64(31))) | np.uint64(1)
    keys[0] = 0
    keys.flags.writeable = False
    return keys
