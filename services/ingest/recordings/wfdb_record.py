"""One WFDB record: the wanted lead of it, of one file or of many segments."""

from pathlib import Path

import numpy as np

from services.ingest.recordings.counts import from_counts, from_voltages
from services.ingest.recordings.leads import Wanted, choose
from services.ingest.recordings.recording import Recording
from shared.wfdb import MAX_SAMPLES, Header, RecordingError, Stretch, read_header, read_stretch


def read_record(path: Path, name: str, wish: Wanted) -> Recording:
    """The wanted lead of the record with this header file.

    Refuses (`RecordingError`, the caller names the file) whatever `header`, `dat`, `leads`
    and `counts` refuse.
    """
    header = read_header(path)
    if header.segments:
        return _joined(_segments(path, header, wish), name, wish)
    found = read_stretch(path, header, choose([signal.name for signal in header.signals], wish))
    return from_counts(
        name, wish.lead, found.rate_mhz, found.values, missing=found.missing, uv_per_lsb=found.uv_per_lsb
    )


def segment_files(path: Path, header: Header) -> list[Path]:
    """Header files of the segments of a record, which are no recordings of their own."""
    return [path.with_name(f"{segment.name}.hea") for segment in header.segments if segment.name != "~"]


def _segments(path: Path, header: Header, wish: Wanted) -> list[Stretch | int]:
    """The stretches in order; a number stands for so many samples without the lead."""
    if sum(max(0, segment.samples) for segment in header.segments) > MAX_SAMPLES:
        raise RecordingError(f"it has more than {MAX_SAMPLES} samples: cut it into parts")
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
            raise RecordingError(f"its segment {own.name} is absent")
        part = read_header(own)
        names.update(signal.name for signal in part.signals)
        try:
            k = choose([signal.name for signal in part.signals], wish)
        except RecordingError:
            found.append(segment.samples)  # a segment may lack the lead; if all do, that is said below
            continue
        try:
            stretch = read_stretch(own, part, k)
        except RecordingError as error:
            raise RecordingError(f"segment {segment.name}: {error}") from None
        per_frame = part.signals[k].per_frame
        if len(stretch.values) != segment.samples * per_frame:
            raise RecordingError(
                f"segment {segment.name} has not the {segment.samples} samples the record promises"
            )
        found.append(stretch)
    if not any(isinstance(stretch, Stretch) for stretch in found):
        choose(sorted(names), wish)
        raise RecordingError(f"no segment holds lead {wish.name}")
    return found


def _joined(found: list[Stretch | int], name: str, wish: Wanted) -> Recording:
    stretches = [stretch for stretch in found if isinstance(stretch, Stretch)]
    if len({stretch.rate_mhz for stretch in stretches}) > 1:
        raise RecordingError("its segments differ in sampling rate")
    rate, lsb = stretches[0].rate_mhz, stretches[0].uv_per_lsb
    missing = np.concatenate([np.ones(s, np.bool_) if isinstance(s, int) else s.missing for s in found])
    if all(stretch.uv_per_lsb == lsb for stretch in stretches):
        values = np.concatenate([np.zeros(s, np.int64) if isinstance(s, int) else s.values for s in found])
        return from_counts(name, wish.lead, rate, values, missing=missing, uv_per_lsb=lsb)
    uv = np.concatenate([np.zeros(s) if isinstance(s, int) else s.values * s.uv_per_lsb for s in found])
    uv[missing] = np.nan
    return from_voltages(name, wish.lead, rate, uv)
