"""One WFDB record: the wanted lead of it, of one file or of many segments."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.ingest.recordings.counts import Integers, from_counts, from_voltages, microvolts_per
from services.ingest.recordings.dat import MAX_SAMPLES, read_signal
from services.ingest.recordings.header import Header, read_header
from services.ingest.recordings.leads import Wanted, choose
from services.ingest.recordings.recording import Recording, millihertz
from services.ingest.source import SourceError


@dataclass(frozen=True, eq=False)
class Stretch:
    """Some consecutive samples of one signal: counts less the baseline, which are missing, and their gain."""

    values: Integers
    missing: npt.NDArray[np.bool_]
    uv_per_lsb: float
    rate_mhz: int


def read_record(path: Path, name: str, wish: Wanted) -> Recording:
    """The wanted lead of the record with this header file.

    Refuses (`SourceError`, the caller names the file) whatever `header`, `dat`, `leads`
    and `counts` refuse.
    """
    header = read_header(path)
    if header.segments:
        return _joined(_segments(path, header, wish), name, wish)
    found = read_stretch(path, header, choose([signal.name for signal in header.signals], wish))
    return from_counts(
        name, wish.lead, found.rate_mhz, found.values, missing=found.missing, uv_per_lsb=found.uv_per_lsb
    )


def read_stretch(path: Path, header: Header, k: int, *, calibrated: bool = True) -> Stretch:
    """Signal ``k`` of a record with one segment.

    A signal without a gain is refused, or, where ``calibrated`` is False because only its
    shape matters, taken to have the format's 200 counts a millivolt.
    """
    signal = header.signals[k]
    if header.rate is None:
        raise SourceError("its header gives no sampling rate")
    rate = millihertz(header.rate)
    if signal.per_frame > 1:
        rate = millihertz(f"{rate * signal.per_frame}/1000")
    if signal.gain is None and calibrated:
        raise SourceError(f"gain of {signal.name or 'its signal'} is 0 or absent: it is not calibrated")
    gain = 200.0 if signal.gain is None else signal.gain
    if gain < 0:
        raise SourceError(f"gain of {signal.name or 'its signal'} is {gain:g}, below 0")
    uv_per_lsb = microvolts_per(signal.units) / gain
    values, missing = read_signal(path, header, k)
    return Stretch(values - signal.baseline, missing, uv_per_lsb, rate)


def segment_files(path: Path, header: Header) -> list[Path]:
    """Header files of the segments of a record, which are no recordings of their own."""
    return [path.with_name(f"{segment.name}.hea") for segment in header.segments if segment.name != "~"]


def _segments(path: Path, header: Header, wish: Wanted) -> list[Stretch | int]:
    """The stretches in order; a number stands for so many samples without the lead."""
    if sum(max(0, segment.samples) for segment in header.segments) > MAX_SAMPLES:
        raise SourceError(f"it has more than {MAX_SAMPLES} samples: cut it into parts")
    found: list[Stretch | int] = []
    names: set[str] = set()
    for segment in header.segments:
        if segment.samples <= 0:  # the layout of a record whose segments differ
            continue
        if segment.name == "~":
            found.append(segment.samples)
            continue
        own = path.with_name(f"{segment.name}.hea")
        if not own.is_file():
            raise SourceError(f"its segment {own.name} is absent")
        part = read_header(own)
        names.update(signal.name for signal in part.signals)
        try:
            k = choose([signal.name for signal in part.signals], wish)
        except SourceError:
            found.append(segment.samples)  # a segment may lack the lead; if all do, that is said below
            continue
        try:
            stretch = read_stretch(own, part, k)
        except SourceError as error:
            raise SourceError(f"segment {segment.name}: {error}") from None
        per_frame = part.signals[k].per_frame
        if len(stretch.values) != segment.samples * per_frame:
            raise SourceError(f"segment {segment.name} has not the {segment.samples} samples the record promises")
        found.append(stretch)
    if not any(isinstance(stretch, Stretch) for stretch in found):
        choose(sorted(names), wish)
        raise SourceError(f"no segment holds lead {wish.name}")
    return found


def _joined(found: list[Stretch | int], name: str, wish: Wanted) -> Recording:
    stretches = [stretch for stretch in found if isinstance(stretch, Stretch)]
    if len({stretch.rate_mhz for stretch in stretches}) > 1:
        raise SourceError("its segments differ in sampling rate")
    rate, lsb = stretches[0].rate_mhz, stretches[0].uv_per_lsb
    missing = np.concatenate([np.ones(s, np.bool_) if isinstance(s, int) else s.missing for s in found])
    if all(stretch.uv_per_lsb == lsb for stretch in stretches):
        values = np.concatenate([np.zeros(s, np.int64) if isinstance(s, int) else s.values for s in found])
        return from_counts(name, wish.lead, rate, values, missing=missing, uv_per_lsb=lsb)
    uv = np.concatenate([np.zeros(s) if isinstance(s, int) else s.values * s.uv_per_lsb for s in found])
    uv[missing] = np.nan
    return from_voltages(name, wish.lead, rate, uv)
