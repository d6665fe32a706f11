"""Which standard lead a file's name for a signal means.

Files name the same lead in many ways: ``AVR`` and ``aVR``, ``Lead II``, and the ambulatory
positions that stand for a standard lead, such as ``MLII``.
"""

import functools
import re

from shared.frames import LEADS

# Electrode positions of Holter and bedside monitors, and the standard lead each imitates.
STANDS_FOR = {
    "D1": "I", "D2": "II", "D3": "III", "DI": "I", "DII": "II", "DIII": "III",
    "MLI": "I", "MLII": "II", "MLIII": "III", "ML2": "II", "ML5": "V5",
    "MV1": "V1", "MV2": "V2", "MV3": "V3", "MV4": "V4", "MV5": "V5", "MV6": "V6",
    "MODV1": "V1", "MODV5": "V5", "MCL1": "V1", "MCL6": "V6", "CM5": "V5",
}  # fmt: skip
# Names that say "the signal" and no more: of a file with one signal, they are whatever lead was asked for.
GENERIC = frozenset({
    "", "ECG", "EKG", "ECG1", "EKG1", "LEAD", "LEAD1", "SIGNAL", "SIGNAL1", "CH1", "CHANNEL1",
    "VALUE", "VOLTAGE", "AMPLITUDE", "MV", "UV", "V",
})  # fmt: skip


def standard(name: str) -> str | None:
    """The standard lead a file's name for a signal means, or None."""
    plain = plain_name(name)
    lead = STANDS_FOR.get(plain, plain)
    return lead if lead in LEADS else None


def squeezed(name: str) -> str:
    """A name in capitals, without spaces and punctuation."""
    return re.sub(r"[\s_.\-]+", "", name).upper()


@functools.lru_cache(maxsize=1024)
def plain_name(name: str) -> str:
    """A name without case, spaces and words that add nothing: ``ECG lead aVR`` is ``AVR``."""
    short = squeezed(name)
    return re.sub(r"^(?:ECG|EKG)?(?:LEAD)?(?=.)", "", short) if short not in GENERIC else short
