"""The standard leads of one WFDB record, found by name."""

from pathlib import Path

from shared.frames import LEADS
from shared.wfdb import Header, RecordingError, Stretch, read_header, read_stretch, standard
from shared.wfdb.leads import GENERIC, plain_name, squeezed


def read_leads(path: Path, single: str | None) -> dict[str, Stretch]:
    """Every signal of the record with this header that is a standard lead.

    ``single``: the lead that the only signal of a file is, if it does not say. Refuses (`RecordingError`) a record
    without a standard lead, with one there twice, and whatever `shared.wfdb` refuses.
    """
    header = read_header(path)
    if header.segments:
        raise RecordingError("a record of several segments: each segment is a recording of its own")
    return {lead: read_stretch(path, header, k) for lead, k in positions(header, single).items()}


def positions(header: Header, single: str | None) -> dict[str, int]:
    """Which signal is which lead."""
    names = [signal.name for signal in header.signals]
    if single is not None and len(names) == 1 and squeezed(names[0]) in GENERIC:
        return {single: 0}
    found: dict[str, int] = {}
    for lead in LEADS:
        meant = [k for k, name in enumerate(names) if standard(name) == lead]
        # The very name wins over a position that stands for the lead.
        exact = [k for k in meant if plain_name(names[k]) == lead] or meant
        if len(exact) > 1:
            raise RecordingError(f"{len(exact)} of its signals may be lead {lead}: it has {', '.join(names)}")
        if exact:
            found[lead] = exact[0]
    if not found:
        hint = "; say with --lead which it is" if len(names) == 1 else ""
        listed = ", ".join(name or "(unnamed)" for name in names) or "no signal"
        raise RecordingError(f"none of its signals is a standard lead: it has {listed}{hint}")
    return found
