"""The nine myocardial-infarction types, in the one order used everywhere.

Scores, probabilities, thresholds and tables are arrays whose column ``i`` is
``MI_TYPES[i]``; any-MI, where present, is the last column (`SCORE_NAMES`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class MIType:
    """One infarct location; ``code`` is also its SCP-ECG statement in PTB-XL."""

    code: str
    name: str


MI_TYPES: tuple[MIType, ...] = (
    MIType("IMI", "inferior"),
    MIType("ASMI", "anteroseptal"),
    MIType("ILMI", "inferolateral"),
    MIType("AMI", "anterior"),
    MIType("ALMI", "anterolateral"),
    MIType("LMI", "lateral"),
    MIType("IPLMI", "inferoposterolateral"),
    MIType("IPMI", "inferoposterior"),
    MIType("PMI", "posterior"),
)
MI_CODES: tuple[str, ...] = tuple(t.code for t in MI_TYPES)
ANY_MI = "MI"
SCORE_NAMES: tuple[str, ...] = (*MI_CODES, ANY_MI)
NORMAL = "NORM"

_INDEX = {code: i for i, code in enumerate(MI_CODES)}


def label_row(scp_codes: Iterable[str] | Mapping[str, float]) -> npt.NDArray[np.float32]:
    """Nine types and any-MI (10 values, 0 or 1) from a record's SCP statements.

    A statement counts as present whatever its likelihood; in PTB-XL ``0.0`` means
    *unknown*, not *absent*. Statements that are not MI types are ignored.

    >>> label_row({"IMI": 0.0, "SR": 0.0}).tolist()
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    """
    row = np.zeros(len(SCORE_NAMES), np.float32)
    for code in scp_codes:
        if code in _INDEX:
            row[_INDEX[code]] = 1.0
    row[-1] = row[:-1].max()
    return row
