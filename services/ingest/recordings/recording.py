"""One recorded lead, ready to be streamed, and what opening a folder of them gives."""

from dataclasses import dataclass

from shared.frames import Samples


@dataclass(frozen=True, eq=False)
class Recording:
    """One lead of one recording: no gap, no NaN, never clipped.

    ``name``: where it lies below what was opened, without suffix, parts joined by ``/``.
    ``counts``: int16, one-dimensional; ``counts * uv_per_lsb`` is the voltage in microvolts.
    """

    name: str
    lead: str
    rate_mhz: int
    uv_per_lsb: float
    counts: Samples

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.counts) * 1000 / self.rate_mhz


@dataclass(frozen=True)
class Opened:
    """What a path gave: the usable recordings in order, and one line for each file that is not."""

    recordings: tuple[Recording, ...]
    problems: tuple[str, ...]
