"""Which signal of a file is the wanted lead: by name, never by position.

Files name the same lead in many ways: ``AVR`` and ``aVR``, ``Lead II``, and the ambulatory
positions that stand for a standard lead, such as ``MLII``. A frame names one of the
twelve, so every name that can be asked for stands for one of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.source import SourceError
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


@dataclass(frozen=True)
class Wanted:
    """A lead as it was asked for, and the standard lead that frames will say it is."""

    name: str
    lead: str


def wanted(name: str, stands_for: str | None = None) -> Wanted:
    """The wish behind ``--lead name``; ``stands_for`` is needed only for a name nobody knows.

    Refuses a name that is no standard lead and stands for none.
    """
    lead = standard(stands_for if stands_for is not None else name)
    if lead is None:
        raise SourceError(
            f"lead {stands_for or name!r} is not one of {', '.join(LEADS)} and stands for none known here: "
            "say which of them it stands for"
        )
    return Wanted(name, lead)


def standard(name: str) -> str | None:
    """The standard lead a file's name for a signal means, or None."""
    plain = _plain(name)
    lead = STANDS_FOR.get(plain, plain)
    return lead if lead in LEADS else None


def choose(names: Sequence[str], wish: Wanted) -> int:
    """Position of the wanted lead among a file's signals.

    The very name asked for wins. Else a position that stands for the lead is taken (asking
    for II finds MLII, but asking for MLII never finds II), else the only signal of a file
    that does not say what it is. Refuses a lead that is missing or there twice.
    """
    plain = _plain(wish.name)
    found = [i for i, name in enumerate(names) if _plain(name) == plain]
    if not found and plain in LEADS:
        found = [i for i, name in enumerate(names) if standard(name) == plain]
    if not found and len(names) == 1 and _squeezed(names[0]) in GENERIC:
        found = [0]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(name or "(unnamed)" for name in names[:16]) + (", …" if len(names) > 16 else "")
    if found:
        raise SourceError(f"{len(found)} signals may be lead {wish.name}: it has {listed}")
    raise SourceError(f"no lead {wish.name}: it has {listed or 'no signal'}")


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_.\-]+", "", name).upper()


def _plain(name: str) -> str:
    """A name without case, spaces and words that add nothing: ``ECG lead aVR`` is ``AVR``."""
    squeezed = _squeezed(name)
    return re.sub(r"^(?:ECG|EKG)?(?:LEAD)?(?=.)", "", squeezed) if squeezed not in GENERIC else squeezed
