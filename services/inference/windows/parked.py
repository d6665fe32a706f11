"""The partial samples of a parked patient as bytes, and back, bit for bit.

A device sends 16-bit counts of one gain, so nearly always the millivolts are counts again
without loss: 2 bytes a sample and one bit for "missing", which is what the check below
proves for each patient; otherwise (the gain changed in between) they stay float32::

    offset  size  field
         0     1  version           1
         1     1  kind              0 counts, 1 millivolts
         4     4  scale             float32, millivolts per count
         8     8  session           guards against a mark of another session
        16     8  first             index of the first sample
        24     4  count             samples, the missing ones included
        28        present           one bit a sample, then the samples that are present
"""

import struct
from dataclasses import dataclass

import numpy as np

from services.inference.windows.ring import Millivolts
from shared.errors import SelfmisError

_HEADER = struct.Struct("<BBxxfQqI")
_VERSION = 1
_COUNTS, _MILLIVOLTS = 0, 1


class ParkedError(SelfmisError):
    """Parked samples in Redis that this program did not write."""


@dataclass(frozen=True, eq=False, slots=True)
class Parked:
    """``samples`` (millivolts, NaN where missing) from index ``first`` of a session on.

    ``scale`` is the newest frame's, millivolts per count.
    """

    session: int
    first: int
    samples: Millivolts
    scale: float

    @property
    def end(self) -> int:
        """One past the last sample."""
        return self.first + len(self.samples)

    def pack(self) -> bytes:
        """The value in the committed state."""
        present = ~np.isnan(self.samples)
        values = self.samples[present]
        counts = _counts(values, np.float32(self.scale))
        kind, body = (_MILLIVOLTS, values.astype("<f4")) if counts is None else (_COUNTS, counts)
        header = _HEADER.pack(_VERSION, kind, self.scale, self.session, self.first, len(self.samples))
        return header + np.packbits(present).tobytes() + body.tobytes()

    @classmethod
    def unpack(cls, raw: bytes) -> "Parked":
        """Mirror image of `pack`; refuses (`ParkedError`) anything else."""
        if len(raw) < _HEADER.size or raw[0] != _VERSION or raw[1] not in (_COUNTS, _MILLIVOLTS):
            raise ParkedError(f"parked samples of {len(raw)} bytes, version {raw[:1].hex() or 'none'}: not ours")
        _, kind, scale, session, first, count = _HEADER.unpack_from(raw)
        bits = np.frombuffer(raw, np.uint8, offset=_HEADER.size)[: -(-count // 8)]
        present = np.unpackbits(bits, count=count).astype(bool) if len(bits) * 8 >= count else np.zeros(0, bool)
        body = raw[_HEADER.size + len(bits) :]
        width = 2 if kind == _COUNTS else 4
        if len(present) != count or len(body) != width * int(present.sum()):
            raise ParkedError(f"parked samples of {len(raw)} bytes: cut short or too long")
        samples = np.full(count, np.nan, np.float32)
        if kind == _COUNTS:
            samples[present] = np.frombuffer(body, "<i2").astype(np.float32) * np.float32(scale)
        else:
            samples[present] = np.frombuffer(body, "<f4")
        return cls(session, first, samples, scale)


def _counts(values: Millivolts, scale: np.float32) -> "np.ndarray[tuple[int], np.dtype[np.int16]] | None":
    """The values as counts of ``scale``, if that loses nothing."""
    if not scale > 0:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is what the comparison finds
        counts = np.clip(np.rint(values.astype(np.float64) / float(scale)), -32768, 32767).astype("<i2")
    lossless = (counts.astype(np.float32) * scale).tobytes() == values.tobytes()
    return counts if lossless else None
