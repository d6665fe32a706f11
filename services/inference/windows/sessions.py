"""Which session a frame belongs to: of two sessions of a patient the later (start, id) wins."""

import numpy as np

from services.inference.windows.batch import Batch
from services.inference.windows.closing import close_passed, close_session
from services.inference.windows.ward import Ward


def settle(ward: Ward, batch: Batch, frame: int, row: int, fresh: bool) -> str | None:
    """Bring a patient into the session of a frame, in memory; or say why the frame is refused.

    An entry that is read again (not ``fresh``) begins no session: had it done so before, the
    committed mark would know that session or a later one.
    """
    p = ward.patients
    session, start_us = int(batch.session[frame]), int(batch.start_us[frame])
    rate, entry = int(batch.rate_mhz[frame]), int(batch.entry[frame])
    current = (int(p.start_us[row]), int(p.session[row]))
    known = p.rate_mhz[row] > 0
    if not known or (start_us, session) > current:
        if not fresh:
            return "stale_session"
        if known:
            close_session(ward, row, entry)  # which leaves nothing parked either
            ward.release(row)
        p.begin(row, session, start_us, rate)
        ward.dirty.append(np.array([row]))
    elif (start_us, session) < current:
        return "stale_session"
    elif rate != p.rate_mhz[row]:
        return "rate_changed"
    if p.slot[row] < 0:
        # Nothing closes here unless the lateness was shortened since the patient was parked.
        close_passed(ward, row, entry, int(p.high_water[row]))
        ward.revive(row, entry)
    return None
