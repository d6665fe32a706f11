"""Pre-processing in torch is the pre-processing of `shared.signal`, and the parts fit together."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.encoder import HeadConfig, build, new_head
from shared.network import Calibration, Classifier, Preprocessing, Scorer
from shared.signal import WINDOW_SAMPLES, preprocess

PARITY = 1e-5


def difference(windows: np.ndarray) -> float:
    """The largest difference of the two, as a share of the window's largest value (at least the r.m.s., one)."""
    windows = windows.astype(np.float32)
    in_torch, in_numpy = Preprocessing()(torch.from_numpy(windows)).numpy(), preprocess(windows)
    assert np.isfinite(in_torch).all()
    peak = np.maximum(np.abs(in_numpy).max(axis=1, keepdims=True), 1)
    return float((np.abs(in_torch - in_numpy) / peak).max())


@given(seed=st.integers(0, 999), scale=st.floats(0.1, 5), offset=st.floats(-5, 5), wander=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_torch_and_numpy_pre_process_alike(seed: int, scale: float, offset: float, wander: float) -> None:
    # Drift up to ten times the signal; beyond that both lose digits of the signal to it.
    random = np.random.default_rng(seed)
    time = np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES
    windows = random.normal(scale=scale, size=(8, WINDOW_SAMPLES)) + offset + wander * np.sin(5 * time)
    assert difference(windows) <= PARITY


@pytest.mark.parametrize("level", [0.0, 1.5, -300.0])
def test_a_flat_line_stays_finite_and_alike(level: float) -> None:
    assert difference(np.full((3, WINDOW_SAMPLES), level)) <= PARITY


@pytest.mark.data
def test_torch_and_numpy_pre_process_real_windows_alike(data_dir: Path) -> None:
    # PTB-XL's own layout: 12 leads side by side, 16 bits, 1 µV.
    records = sorted((data_dir / "ptbxl" / "records100").rglob("*_lr.dat"))[::20]
    leads = [np.fromfile(record, "<i2").reshape(WINDOW_SAMPLES, 12).T / 1000 for record in records]
    assert difference(np.concatenate(leads)) <= PARITY


def test_calibration_stretches_and_shifts_each_score() -> None:
    calibrated = Calibration([2.0, 1.0], [0.0, 3.0])(torch.tensor([[1.0, -3.0]]))
    torch.testing.assert_close(calibrated, torch.tensor([[2.0, 0.0]]).sigmoid())


def test_a_classifiers_weights_are_the_learnt_ones_only() -> None:
    encoder = build("small")
    classifier = Classifier(encoder, new_head(encoder.dim, HeadConfig()))
    scorer = Scorer(Preprocessing(), classifier, Calibration([1.0] * 10, [0.0] * 10))
    assert scorer.state_dict().keys() == {f"classifier.{name}" for name in classifier.state_dict()}
    assert {name.split(".")[0] for name in classifier.state_dict()} == {"encoder", "head"}
