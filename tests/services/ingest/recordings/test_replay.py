from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from services.ingest.recordings.recording import Recording
from services.ingest.recordings.replay import Replay, replay_sources
from services.ingest.source import Source
from shared.errors import SelfmisError
from shared.wfdb import RecordingError

Beating = Callable[..., np.ndarray]
Made = Callable[..., Recording]


@pytest.fixture
def made(beating: Beating) -> Made:
    """A recording of a heart with a pace of its own."""

    def make(
        name: str = "r", seconds: float = 10, hertz: int = 100, lead: str = "I", lsb: float = 1.0
    ) -> Recording:
        pace = 0.6 + 0.4 * (sum(name.encode()) % 10) / 10
        counts = np.rint(1000 * beating(seconds, hertz, pace=pace)).astype(np.int16)
        return Recording(name, lead, hertz * 1000, lsb, counts)

    return make


def test_a_replay_is_a_source(made: Made) -> None:
    (source,) = replay_sources([made()])
    assert isinstance(source, Source)


def test_played_once_every_count_of_the_recording_comes_out(made: Made) -> None:
    recordings = [made("a", 9.73), made("b", 9.73)]
    (source,) = replay_sources(recordings, loop=False, frame_seconds=0.5)
    frames = [source.frame(i) for i in range(source.frames or 0)]
    assert [frame.shape for frame in frames[-2:]] == [(2, 50), (2, 23)]
    np.testing.assert_array_equal(np.concatenate(frames, axis=1), np.stack([r.counts for r in recordings]))


def test_recordings_that_end_at_different_times_are_sources_of_their_own(made: Made) -> None:
    sources = replay_sources([made("a", 10), made("b", 12), made("c", 10)], loop=False)
    assert [(source.frames, source.roster.patients) for source in sources] == [(10, (b"a", b"c")), (12, (b"b",))]


def test_different_rates_and_leads_are_sources_of_their_own(made: Made) -> None:
    recordings = [made("a"), made("b", hertz=360), made("c", lead="II"), made("d")]
    rosters = [source.roster for source in replay_sources(recordings)]
    assert [(r.rate_mhz, r.lead, r.patients, r.frame_samples) for r in rosters] == [
        (100_000, "I", (b"a", b"d"), 100), (100_000, "II", (b"c",), 100), (360_000, "I", (b"b",), 360)
    ]  # fmt: skip


def test_recordings_of_different_length_loop_in_one_source(made: Made) -> None:
    (source,) = replay_sources([made("a", 10), made("b", 33.3)])
    assert source.frames is None
    assert source.frame(1000).shape == (2, 100)


def test_each_row_keeps_the_gain_of_its_recording(made: Made) -> None:
    (source,) = replay_sources([made("a", lsb=1.0), made("b", lsb=2.5)], patients=5)
    assert source.roster.uv_per_lsb.tolist() == [1.0, 2.5, 1.0, 2.5, 1.0]


def test_many_patients_share_few_recordings_from_different_places(made: Made) -> None:
    (source,) = replay_sources([made("a"), made("b"), made("c")], patients=60, frame_seconds=3)
    frame = source.frame(0)
    assert source.roster.patients[17] == b"replay-00017"
    assert len({row.tobytes() for row in frame}) == 60


def test_fewer_patients_than_recordings_take_the_first(made: Made) -> None:
    (source,) = replay_sources([made("a"), made("b"), made("c")], patients=2)
    assert source.roster.patients == (b"a", b"b")


def test_patient_numbers_are_unique_over_all_sources(made: Made) -> None:
    sources = replay_sources([made("a"), made("b", hertz=360)], patients=7, prefix="ward")
    patients = sorted(patient for source in sources for patient in source.roster.patients)
    assert patients == [b"ward-%05d" % i for i in range(7)]


def test_any_frame_may_be_asked_for_at_any_time_and_is_the_same(made: Made) -> None:
    (source,) = replay_sources([made("a"), made("b", 21.7)], patients=9)
    first = {i: source.frame(i).tobytes() for i in range(40)}
    assert all(source.frame(i).tobytes() == first[i] for i in (39, 3, 17, 0, 39))


def test_frames_join_without_a_step(made: Made) -> None:
    recording = made("a", 10)
    (source,) = replay_sources([recording], patients=5, frame_seconds=0.7)
    stream = np.concatenate([source.frame(i) for i in range(80)], axis=1).astype(int)
    assert np.abs(np.diff(stream, axis=1)).max() <= np.abs(np.diff(recording.counts.astype(int))).max()


def test_a_frame_may_be_longer_than_the_recording(made: Made) -> None:
    (source,) = replay_sources([made("a", 10)], frame_seconds=60)
    assert source.frame(2).shape == (1, 6000)


@pytest.mark.parametrize("index", [-1, 10])
def test_frames_outside_the_recording_are_refused(made: Made, index: int) -> None:
    (source,) = replay_sources([made()], loop=False)
    with pytest.raises(IndexError):
        source.frame(index)


def test_a_loop_has_no_frame_before_the_first(made: Made) -> None:
    (source,) = replay_sources([made()])
    with pytest.raises(IndexError):
        source.frame(-1)


def test_nothing_is_read_from_a_closed_replay(made: Made) -> None:
    (source,) = replay_sources([made()])
    source.close()
    with pytest.raises(RecordingError, match="closed"):
        source.frame(0)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"patients": 0}, "at least one patient"),
        ({"patients": 3, "loop": False}, "3 patients need as many recordings, here are 1"),
        ({"frame_seconds": 0}, "cannot last 0 s"),
        ({"frame_seconds": float("nan")}, "cannot last"),
        ({"frame_seconds": 0.001}, "would hold 0 samples"),
        ({"frame_seconds": 1000}, "would hold 100000 samples"),
        ({"patients": 3, "prefix": "x" * 40}, "1 to 32 bytes"),
    ],
)
def test_impossible_wishes_are_refused(made: Made, wish: dict[str, Any], why: str) -> None:
    with pytest.raises(SelfmisError, match=why):
        replay_sources([made()], **wish)


def test_no_recordings_are_refused() -> None:
    with pytest.raises(RecordingError, match="needs a recording"):
        replay_sources([])


def test_recordings_that_differ_in_rate_do_not_fit_one_source(made: Made) -> None:
    with pytest.raises(RecordingError, match="share their sampling rate"):
        Replay(
            [made("a"), made("b", hertz=200)],
            ["a", "b"],
            np.arange(2),
            np.zeros(2, np.int64),
            frame_samples=100,
            loop=True,
        )
