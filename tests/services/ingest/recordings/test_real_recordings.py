"""The readers, the loop and the noise on the recordings they were made for."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from services.ingest.recordings.noise import open_noise
from services.ingest.recordings.opening import open_recordings
from services.ingest.recordings.replay import replay_sources
from services.ingest.recordings.seam import FADE_S, beat_aligned
from shared.signal_to_noise import noise_amplitude, qrs_amplitude

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("folder", "lead", "channel"),
    [("ptbxl", "aVR", 3), ("ptbxl", "v6", 11), ("cinc2017", "I", 0), ("mitdb", "MLII", 0), ("mitdb", "V5", 1)],
)
def test_recordings_are_what_wfdb_reads(data_dir: Path, folder: str, lead: str, channel: int) -> None:
    for recording in open_recordings(data_dir / folder, lead=lead, limit=25).recordings:
        told = wfdb.rdrecord(str(data_dir / folder / recording.name), channels=[channel])
        assert recording.rate_mhz == told.fs * 1000
        np.testing.assert_allclose(recording.counts * recording.uv_per_lsb, told.p_signal[:, 0] * 1000, atol=1e-6)


@pytest.mark.parametrize(("folder", "lead"), [("ptbxl", "I"), ("cinc2017", "I"), ("mitdb", "II")])
def test_every_recording_is_usable(data_dir: Path, folder: str, lead: str) -> None:
    opened = open_recordings(data_dir / folder, lead=lead)
    assert opened.problems == ()
    assert len(opened.recordings) == len(list((data_dir / folder).rglob("*.hea")))


@pytest.mark.parametrize(("folder", "lead"), [("ptbxl", "II"), ("cinc2017", "I"), ("mitdb", "MLII")])
def test_no_step_at_any_seam_is_larger_than_those_of_the_recording(data_dir: Path, folder: str, lead: str) -> None:
    for recording in open_recordings(data_dir / folder, lead=lead, limit=100).recordings:
        loop = beat_aligned(recording.counts, recording.rate_mhz)
        fade = round(FADE_S * recording.rate_mhz / 1000)
        seam = np.r_[loop.samples[-fade - 1 :], loop.samples[loop.start : loop.start + 2]].astype(int)
        assert np.abs(np.diff(seam)).max() <= np.abs(np.diff(recording.counts.astype(int))).max(), recording.name


def test_the_signal_is_as_large_as_annotations_say(data_dir: Path) -> None:
    """``nst`` measures the complexes that cardiologists marked; we must find about the same."""
    (recording,) = open_recordings(data_dir / "mitdb" / "100", lead="MLII").recordings
    marks = wfdb.rdann(str(data_dir / "mitdb" / "100"), "atr")
    normal = marks.sample[np.array(marks.symbol) == "N"][:300]
    tall = np.sort([np.ptp(recording.counts[m - 18 : m + 18]) for m in normal])
    assert qrs_amplitude(recording.counts, 360_000) == pytest.approx(tall[15:-15].mean(), rel=0.05)


@pytest.mark.parametrize("kind", ["bw", "em", "ma"])
def test_stress_test_noise_lies_where_it_was_asked_to(data_dir: Path, kind: str) -> None:
    recordings = open_recordings(data_dir / "mitdb" / "100", lead="MLII").recordings
    noise = open_noise(data_dir / "nstdb", snr_db=6, kinds=[kind])
    (noisy,), (clean,) = replay_sources(recordings, noise=noise), replay_sources(recordings)
    added = np.concatenate([noisy.frame(i)[0].astype(float) - clean.frame(i)[0] for i in range(1700)])
    measured = 10 * np.log10(
        qrs_amplitude(recordings[0].counts, 360_000) ** 2 / 8 / noise_amplitude(added, 360_000) ** 2
    )
    assert measured == pytest.approx(6, abs=0.5)


def test_stress_test_noise_reaches_other_rates(data_dir: Path) -> None:
    recordings = open_recordings(data_dir / "ptbxl", lead="I", limit=20).recordings
    (source,) = replay_sources(recordings, patients=50, noise=open_noise(data_dir / "nstdb", snr_db=6))
    assert source.frame(10_000).shape == (50, 100)
