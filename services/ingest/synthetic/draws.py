"""Randomness as a pure function: a number is drawn by its name or its index, never by when it was asked for.

A generator with hidden state would make a sample depend on what was simulated before it; here sample 7,000,000
of a noise is computed from the key and 7,000,000 alone, so a restarted source resumes mid-stream. The hash is ours
(SplitMix64's finaliser, Steele et al. 2014) and therefore does not change with a NumPy release.
"""

import hashlib
import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
# Four uniform 16-bit lanes add up to a bell (Irwin-Hall) of this standard deviation.
_LANES_SD = math.sqrt(4 / 12) * 65536
_LANES_MEAN = 4 * 65535 / 2


def key(*parts: object) -> int:
    """A 64-bit key for these parts; equal parts give equal keys on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def hashes(stream: int, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """One 64-bit hash per index of the stream."""
    z = index.astype(np.uint64)
    z *= _GOLDEN
    z += np.uint64(stream)
    z ^= z >> _S30
    z *= _MIX1
    z ^= z >> _S27
    z *= _MIX2
    z ^= z >> _S31
    return z


def uniforms(stream: int, index: npt.NDArray[np.int64]) -> Floats:
    """One number in [0, 1) per index."""
    return (hashes(stream, index) >> _S11).astype(np.float64) * 2.0**-53


def normals(stream: int, index: npt.NDArray[np.int64]) -> Floats:
    """One standard normal number per index, with true tails."""
    return np.asarray(ndtri(uniforms(stream, index) + 2.0**-54), np.float64)


def white(stream: int, first: int, count: int) -> npt.NDArray[np.float32]:
    """White noise of unit variance at indices ``first …``; bell-shaped, bounded at 3.5 sd, about 5 ns a sample."""
    lanes = hashes(stream, np.arange(first, first + count, dtype=np.int64)).view(np.uint16).reshape(-1, 4)
    total = lanes[:, 0].astype(np.float32)
    for lane in (1, 2, 3):
        total += lanes[:, lane]
    total -= np.float32(_LANES_MEAN)
    total *= np.float32(1 / _LANES_SD)
    return total


def spline_basis(steps: int) -> Floats:
    """Cubic B-spline weights of four neighbouring knots at ``steps`` points between two knots (4 × steps)."""
    u = np.arange(steps) / steps
    return np.stack([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]) / 6


class Draws:
    """Named draws of one subject: ``normal("pr_s", …)`` is the same however many others were made before it."""

    def __init__(self, *parts: object) -> None:
        self._parts = parts

    def key(self, name: str) -> int:
        """The key of a stream of this subject."""
        return key(*self._parts, name)

    def uniform(self, name: str, low: float = 0.0, high: float = 1.0) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * (self.key(name) >> 11) * 2.0**-53

    def normal(self, name: str, mean: float = 0.0, sd: float = 1.0, clip: float = 2.5) -> float:
        """Normal, with what lies beyond ``clip`` standard deviations set to that bound."""
        z = float(ndtri(self.uniform(name) + 2.0**-54))
        return mean + sd * min(max(z, -clip), clip)

    def factor(self, name: str, sd: float, clip: float = 2.5) -> float:
        """Log-normal around 1: ``sd`` 0.2 spreads by about ±20 %."""
        return math.exp(self.normal(name, 0.0, sd, clip))

    def vector(self, name: str, sd: float) -> Floats:
        """Three independent normal components."""
        return np.array([self.normal(f"{name}.{axis}", 0.0, sd) for axis in "xyz"])
