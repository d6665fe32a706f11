from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.ingest.recordings.noise import open_noise
from services.ingest.recordings.recording import Recording
from services.ingest.recordings.replay import replay_sources
from shared.signal_to_noise import noise_amplitude, qrs_amplitude
from shared.wfdb import RecordingError

Record = Callable[..., Path]
Beating = Callable[..., np.ndarray]


@pytest.fixture
def muscle(record: Record, tmp_path: Path) -> Path:
    """A folder with one noise record, uncalibrated like those of the stress test."""
    random = np.random.default_rng(5).normal(0, 80, (360 * 40, 2)).astype(np.int64)
    path = record(
        "ma", None, d_signal=random, p_signal=None, fs=360, fmt=["212"] * 2, sig_name=["noise1", "noise2"]
    )
    path.write_text(path.read_text().replace("1000.0(0)/mV", "0"))
    return tmp_path


def recording(beating: Beating, hertz: int = 100, gain: float = 1.0, name: str = "r") -> Recording:
    counts = np.rint(1000 * beating(30, hertz) / gain).astype(np.int16)
    return Recording(name, "I", hertz * 1000, gain, counts)


@pytest.mark.parametrize(("hertz", "gain"), [(100, 1.0), (360, 5.0), (512, 0.5)])
@pytest.mark.parametrize("snr_db", [-6, 0, 12])
def test_the_noise_lies_as_far_below_the_signal_as_was_asked(
    muscle: Path, beating: Beating, hertz: int, gain: float, snr_db: float
) -> None:
    clean = recording(beating, hertz, gain)
    noise = open_noise(muscle, snr_db=snr_db, kinds=["ma"])
    (with_noise,), (without,) = replay_sources([clean], noise=noise), replay_sources([clean])
    added = np.concatenate([with_noise.frame(i)[0].astype(float) - without.frame(i)[0] for i in range(30)])
    power = qrs_amplitude(clean.counts, clean.rate_mhz) ** 2 / 8
    measured = 10 * np.log10(power / noise_amplitude(added, clean.rate_mhz) ** 2)
    assert measured == pytest.approx(snr_db, abs=0.3)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(muscle: Path, beating: Beating) -> None:
    def frame(seed: int) -> bytes:
        noise = open_noise(muscle, snr_db=6, kinds=["ma"], seed=seed)
        return replay_sources([recording(beating)], patients=3, noise=noise)[0].frame(11).tobytes()

    assert frame(1) == frame(1) != frame(2)


def test_a_patients_noise_does_not_depend_on_who_else_is_there(muscle: Path, beating: Beating) -> None:
    noise = open_noise(muscle, snr_db=6, kinds=["ma"])
    few = replay_sources([recording(beating)], patients=2, noise=noise)[0].frame(4)
    many = replay_sources([recording(beating)], patients=9, noise=noise)[0].frame(4)
    np.testing.assert_array_equal(few, many[:2])


def test_patients_have_noise_of_their_own(muscle: Path, beating: Beating) -> None:
    noise = open_noise(muscle, snr_db=6, kinds=["ma"])
    twins = [recording(beating, name="a"), recording(beating, name="b")]
    frame = replay_sources(twins, noise=noise)[0].frame(0)
    assert not np.array_equal(frame[0], frame[1])


def test_what_exceeds_16_bits_stays_at_their_limit(muscle: Path, beating: Beating) -> None:
    tall = recording(beating)
    tall = Recording("r", "I", 100_000, 1.0, (tall.counts.astype(np.int32) * 20).astype(np.int16))
    source = replay_sources([tall], noise=open_noise(muscle, snr_db=-20, kinds=["ma"]))[0]
    frames = np.concatenate([source.frame(i)[0] for i in range(20)])
    assert (frames.min(), frames.max()) == (-32768, 32767)


def test_the_noise_has_no_seam(muscle: Path) -> None:
    record = open_noise(muscle, snr_db=6, kinds=["ma"]).records[0]
    loop = record.at(100_000)
    around = np.concatenate([loop.samples[-200:], loop.samples[loop.start : loop.start + 200]])
    assert np.abs(np.diff(around)).max() <= np.abs(np.diff(loop.samples)).max()


@pytest.mark.parametrize(
    ("snr_db", "seed", "why"), [(99.0, 0, "is -40 to 80 dB"), (float("nan"), 0, "dB"), (6, -1, "seed")]
)
def test_impossible_wishes_are_refused(muscle: Path, snr_db: float, seed: int, why: str) -> None:
    with pytest.raises(RecordingError, match=why):
        open_noise(muscle, snr_db=snr_db, kinds=["ma"], seed=seed)


def test_absent_noise_is_an_error_and_not_left_out(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"noise .*em\.hea cannot be read: No such file"):
        open_noise(tmp_path, snr_db=6)


def test_silence_is_no_noise(record: Record, tmp_path: Path) -> None:
    record("bw", p_signal=None, d_signal=np.zeros((4000, 1), np.int64), sig_name=["n"], units=["mV"], fmt=["16"],
           adc_gain=[1.0], baseline=[0])  # fmt: skip
    with pytest.raises(RecordingError, match=r"bw\.hea: it is silent"):
        open_noise(tmp_path, snr_db=6, kinds=["bw"])


def test_no_kind_of_noise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no kind"):
        open_noise(tmp_path, snr_db=6, kinds=[])
