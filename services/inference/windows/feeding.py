"""A batch of frames into a ward: who they are of, which are refused, and the others into the rings."""

from collections.abc import Iterable

import numpy as np

from services.inference.windows.account import Account
from services.inference.windows.batch import Batch
from services.inference.windows.placing import Pieces, place
from services.inference.windows.rules import Integers
from services.inference.windows.sessions import settle
from services.inference.windows.ward import Ward


def feed(ward: Ward, batch: Batch, fresh: bool, account: Account) -> None:
    """Place the frames of a batch, each patient's in their order. Not ``fresh``: the entries are read again."""
    account.came(batch)
    taken = np.ones(len(batch), bool)
    for reason, wrong in batch.wrong(ward.rules):
        frames = np.flatnonzero(wrong & taken)
        if frames.size:
            account.refuse(batch, reason, frames)
            taken[frames] = False
    rows = batch.rows
    strangers = np.flatnonzero(taken & (rows < 0))
    if strangers.size:
        if fresh:
            _admit(batch, strangers)
        left = strangers[rows[strangers] < 0]
        if left.size:
            account.refuse(batch, "no_room", left)
            taken[left] = False
    for wave in _waves(ward, rows, np.flatnonzero(taken)):
        for reason, frames in _place(ward, batch, wave, rows[wave], fresh, account):
            account.refuse(batch, reason, frames)


def _admit(batch: Batch, frames: Integers) -> None:
    """Rows for unknown patients, in log order, while there is room."""
    ends = np.cumsum([len(run.frames) for run in batch.runs])
    names = batch.header(frames)["patient"].tolist()
    for i, name, run in zip(
        frames.tolist(), names, np.searchsorted(ends, frames, side="right").tolist(), strict=True
    ):
        known = batch.runs[run].names
        row = known.get(name)
        if row is None:
            row = known.admit(name)
        batch.rows[i] = -1 if row is None else row


def _waves(ward: Ward, rows: Integers, frames: Integers) -> Iterable[Integers]:
    """``frames`` divided so that each patient has one frame a wave, in log order."""
    order = ward.patients.order
    while frames.size:
        r = rows[frames]
        places = np.arange(len(frames))
        order[r[::-1]] = places[::-1]  # of several frames of a row the first is written last
        first = order[r] == places
        if first.all():
            yield frames
            return
        yield frames[first]
        frames = frames[~first]


def _place(
    ward: Ward, batch: Batch, frames: Integers, rows: Integers, fresh: bool, account: Account
) -> Iterable[tuple[str, Integers]]:
    """Place one frame for each of ``rows`` (distinct); gives the refused ones."""
    p = ward.patients
    ready = (
        (p.start_us[rows] == batch.start_us[frames])
        & (p.session[rows] == batch.session[frames])
        & (p.rate_mhz[rows] == batch.rate_mhz[frames])
        & (p.slot[rows] >= 0)
    )
    if not ready.all():
        refused: dict[str, list[int]] = {}
        for i in np.flatnonzero(~ready).tolist():
            reason = settle(ward, batch, int(frames[i]), int(rows[i]), fresh)
            if reason is None:
                ready[i] = True
            else:
                refused.setdefault(reason, []).append(int(frames[i]))
        frames, rows = frames[ready], rows[ready]
        for reason, which in refused.items():
            yield reason, np.array(which)
    rates = batch.rate_mhz[frames]
    if (rates == rates[:1]).all():
        if len(frames):
            _place_rate(ward, batch, frames, rows, account)
        return
    for rate in np.unique(rates):
        of_rate = rates == rate
        _place_rate(ward, batch, frames[of_rate], rows[of_rate], account)


def _place_rate(ward: Ward, batch: Batch, frames: Integers, rows: Integers, account: Account) -> None:
    """Frames of one rate, piece by piece."""
    p = ward.patients
    p.scale[rows] = batch.scale[frames]
    ring = ward.ring(int(batch.rate_mhz[frames[0]]))
    piece = ring.geometry.piece
    first, count, entry = batch.first[frames], batch.count[frames], batch.entry[frames]
    longest = int(count.max())
    for begin in range(0, longest, piece):
        end = min(begin + piece, longest)
        reaches = count > begin
        if not reaches.all():
            frames, rows, first, count, entry = (a[reaches] for a in (frames, rows, first, count, entry))
        here = np.minimum(count - begin, end - begin)
        millivolts = batch.millivolts(frames, begin, end)
        tally = place(ward, ring, Pieces(rows, first + begin, here, millivolts, entry))
        account.placed(p.seat[rows], tally)
