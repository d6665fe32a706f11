"""WFDB records, read strictly: nothing that decides about time or voltage is filled in."""

from shared.wfdb.dat import MAX_SAMPLES, read_signal
from shared.wfdb.errors import RecordingError
from shared.wfdb.header import Header, may_have_segments, parse_header, read_comments, read_header
from shared.wfdb.leads import standard
from shared.wfdb.signals import Stretch, microvolts_per, millihertz, read_stretch

__all__ = [
    "MAX_SAMPLES",
    "Header",
    "RecordingError",
    "Stretch",
    "may_have_segments",
    "microvolts_per",
    "millihertz",
    "parse_header",
    "read_comments",
    "read_header",
    "read_signal",
    "read_stretch",
    "standard",
]
