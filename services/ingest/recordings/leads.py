"""Which signal of a file is the wanted lead: by name, never by position.

Files name the same lead in many ways: ``AVR`` and ``aVR``, ``Lead II``, and the ambulatory
positions that stand for a standard lead, such as ``MLII``. A frame names one of the
twelve, so every name that can be asked for stands for one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.frames import LEADS
from shared.wfdb import RecordingError
from shared.wfdb.leads import GENERIC, plain_name, squeezed, standard


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
        raise RecordingError(
            f"lead {stands_for or name!r} is not one of {', '.join(LEADS)} and stands for none known here: "
            "say which of them it stands for"
        )
    return Wanted(name, lead)


def choose(names: Sequence[str], wish: Wanted) -> int:
    """Position of the wanted lead among a file's signals.

    The very name asked for wins. Else a position that stands for the lead is taken (asking
    for II finds MLII, but asking for MLII never finds II), else the only signal of a file
    that does not say what it is. Refuses a lead that is missing or there twice.
    """
    plain = plain_name(wish.name)
    found = [i for i, name in enumerate(names) if plain_name(name) == plain]
    if not found and plain in LEADS:
        found = [i for i, name in enumerate(names) if standard(name) == plain]
    if not found and len(names) == 1 and squeezed(names[0]) in GENERIC:
        found = [0]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(name or "(unnamed)" for name in names[:16]) + (", …" if len(names) > 16 else "")
    if found:
        raise RecordingError(f"{len(found)} signals may be lead {wish.name}: it has {listed}")
    raise RecordingError(f"no lead {wish.name}: it has {listed or 'no signal'}")
