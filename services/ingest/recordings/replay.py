"""Replay: recordings as a source of frames, from patients as many as wanted.

`replay_sources` deals recordings out to patients and groups the patients by what a
source must have in common: sampling rate, lead and, where recordings end, length.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from services.ingest.recordings.patients import PREFIX, named_after, numbered
from services.ingest.recordings.recording import Recording
from services.ingest.recordings.seam import Loop, beat_aligned
from services.ingest.recordings.tracks import Tracks
from services.ingest.source import Roster
from shared.frames import MAX_COUNT, Samples, patient_bytes
from shared.wfdb import RecordingError

if TYPE_CHECKING:  # SciPy takes half a second to import, and most replays add no noise
    from services.ingest.recordings.noise import Noise

_GOLDEN = (np.sqrt(5) - 1) / 2
_INT16 = np.iinfo(np.int16)


class Replay:
    """A source (see `services.ingest.source.Source`) of patients who play recordings.

    ``recording`` and ``turn`` say which of ``recordings`` each patient plays, and how many
    play it before: the first from its beginning, later ones from places spread evenly over
    its loop. Without ``loop`` every recording must be equally long, and is played once, count for count.
    With ``loop`` there is no end; `seam` says what is altered for that.

    Memory: the recordings once, whatever the number of patients. `frame` costs well under
    a microsecond per patient and 100 samples, one and a half with noise.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        patients: Sequence[str],
        recording: npt.NDArray[np.intp],
        turn: npt.NDArray[np.int64],
        *,
        frame_samples: int,
        loop: bool,
        noise: "Noise | None" = None,
    ) -> None:
        if not recordings:
            raise RecordingError("a replay needs a recording")
        if len({(each.rate_mhz, each.lead) for each in recordings}) > 1:
            raise RecordingError("recordings in one source share their sampling rate and their lead")
        lengths = {len(each.counts) for each in recordings}
        if not loop and (len(lengths) > 1 or turn.any()):
            raise RecordingError("recordings that end are played once each, and are equally long in one source")
        gains = np.array([each.uv_per_lsb for each in recordings], np.float32)
        self._roster = Roster(
            patients=tuple(patient_bytes(patient) for patient in patients),
            rate_mhz=recordings[0].rate_mhz,
            lead=recordings[0].lead,
            frame_samples=frame_samples,
            uv_per_lsb=gains[recording],
        )
        tapes = [beat_aligned(each.counts, each.rate_mhz) if loop else Loop(each.counts, 0) for each in recordings]
        self._samples = None if loop else lengths.pop()
        start = np.array([tape.start for tape in tapes], np.int64)[recording]
        end = np.array([len(tape.samples) for tape in tapes], np.int64)[recording]
        # Multiples of the golden ratio never cluster, however many there are.
        offset = np.where(turn == 0, 0, start + (turn * _GOLDEN % 1.0 * (end - start)).astype(np.int64))
        self._tracks: Tracks | None = Tracks(tapes, recording, offset, frame_samples)
        self._noise: Tracks | None = None
        if noise is not None:
            self._noise = noise.tracks(self._roster.patients, self._roster.rate_mhz, frame_samples)
            self._gain = np.array([noise.gain(each) for each in recordings], np.float32)[recording]

    @property
    def roster(self) -> Roster:
        """Who streams."""
        return self._roster

    @property
    def frames(self) -> int | None:
        """How many frames there are; None for a loop."""
        return None if self._samples is None else -(-self._samples // self._roster.frame_samples)

    def frame(self, index: int) -> Samples:
        """Frame ``index`` of every patient, int16; the last one of recordings that end may be shorter."""
        if self._tracks is None:
            raise RecordingError("this replay is closed")
        if index < 0 or (self.frames is not None and index >= self.frames):
            raise IndexError(f"frame {index} of {self.frames or 'a loop'}")
        first = index * self._roster.frame_samples
        count = self._roster.frame_samples
        if self._samples is not None:
            count = min(count, self._samples - first)
        samples: Samples = self._tracks.read(first, count)
        if self._noise is None:
            return samples
        noisy = self._noise.read(first, count) * self._gain[:, None]
        noisy += samples
        np.rint(noisy, out=noisy)
        # What a converter of 16 bits cannot say, it says as its limit.
        np.clip(noisy, _INT16.min, _INT16.max, out=noisy)
        return noisy.astype(np.int16)

    def close(self) -> None:
        """Give back the memory."""
        self._tracks = self._noise = None


def replay_sources(
    recordings: Sequence[Recording],
    *,
    patients: int | None = None,
    frame_seconds: float = 1.0,
    loop: bool = True,
    noise: "Noise | None" = None,
    prefix: str = PREFIX,
) -> list[Replay]:
    """As many patients as wanted, out of recordings, in as few sources as the recordings allow.

    ``patients``: None for one to each recording. Up to as many as there are recordings
    take the first ones and their names; more are numbered (``prefix-00017``) and share
    recordings in turn, each from another place. ``frame_seconds`` is rounded to whole samples.

    Refuses (`RecordingError`) no recordings, more patients than recordings that end, and a
    frame that holds no sample or too many. Costs some milliseconds a recording with ``loop``.
    """
    if not recordings:
        raise RecordingError("a replay needs a recording")
    wanted = len(recordings) if patients is None else patients
    if wanted < 1:
        raise RecordingError(f"a replay needs at least one patient, not {wanted}")
    if wanted > len(recordings) and not loop:
        raise RecordingError(f"{wanted} patients need as many recordings, here are {len(recordings)}: loop them")
    used = list(recordings[:wanted])
    names = named_after([each.name for each in used]) if wanted == len(used) else numbered(wanted, prefix)

    def alike(i: int) -> tuple[int, str, int]:
        return used[i].rate_mhz, used[i].lead, 0 if loop else len(used[i].counts)

    sources = []
    for _, group in groupby(sorted(range(len(used)), key=alike), key=alike):
        members = list(group)
        rows = [(row, m) for m, i in enumerate(members) for row in range(i, wanted, len(used))]
        rows.sort()
        sources.append(
            Replay(
                [used[i] for i in members],
                [names[row] for row, _ in rows],
                np.array([m for _, m in rows], np.intp),
                np.array([row // len(used) for row, _ in rows], np.int64),
                frame_samples=_frame_samples(used[members[0]].rate_mhz, frame_seconds),
                loop=loop,
                noise=noise,
            )
        )
    return sources


def _frame_samples(rate_mhz: int, frame_seconds: float) -> int:
    if not 0 < frame_seconds <= MAX_COUNT:
        raise RecordingError(f"a frame cannot last {frame_seconds:g} s")
    samples = round(rate_mhz * frame_seconds / 1000)
    if not 1 <= samples <= MAX_COUNT:
        raise RecordingError(
            f"a frame of {frame_seconds:g} s at {rate_mhz / 1000:g} Hz would hold {samples} samples"
        )
    return samples
