"""Made-up recordings: a heart that beats, and files of it as people have them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import wfdb

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="session")
def beating() -> Callable[..., Floats]:
    """Millivolts of a lead: P, QRS and T by Gaussians at a slightly varying pace, with wander."""

    def make(seconds: float = 10.0, hertz: float = 100.0, *, pace: float = 0.8, wander: float = 0.1) -> Floats:
        t = np.arange(round(seconds * hertz)) / hertz
        signal = wander * np.sin(2 * np.pi * 0.2 * t)
        at, k = 0.3, 0
        while at < seconds + 1:
            for delay, width, height in (
                (-0.16, 0.02, 0.12),
                (0.0, 0.011, 1.1),
                (0.03, 0.012, -0.2),
                (0.26, 0.05, 0.3),
            ):
                signal = signal + height * np.exp(-0.5 * ((t - at - delay) / width) ** 2)
            at += pace * (1 + 0.03 * np.sin(2.3 * k))
            k += 1
        return signal

    return make


@pytest.fixture
def record(tmp_path: Path, beating: Callable[..., Floats]) -> Callable[..., Path]:
    """Writes a WFDB record into a folder and gives its header file."""

    def write(name: str = "rec", signals: Floats | None = None, folder: str = "", **changes: Any) -> Path:
        made = np.column_stack([beating(), -beating()]) if signals is None else signals
        made = made[:, None] if made.ndim == 1 else made
        n = made.shape[1]
        where = tmp_path / folder
        where.mkdir(parents=True, exist_ok=True)
        fields: dict[str, Any] = {
            "fs": 100,
            "units": ["mV"] * n,
            "sig_name": ["I", "II", "V1", "V2"][:n],
            "fmt": ["16"] * n,
            "adc_gain": [1000.0] * n,
            "baseline": [0] * n,
            "p_signal": made,
        } | changes
        wfdb.wrsamp(name, write_dir=str(where), **fields)
        return where / f"{name}.hea"

    return write


@pytest.fixture
def edit() -> Callable[[Path, str, str], Path]:
    """Replaces some text of a header, as a careless hand would."""

    def change(path: Path, old: str, new: str) -> Path:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return path

    return change
