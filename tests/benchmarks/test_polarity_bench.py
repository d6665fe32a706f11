"""`selfmis bench polarity`: what it fits tells shapes from their negatives, and what ships is what it fits."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.polarity import fit, main
from training.prepare.__main__ import main as prepare


def test_weights_tell_a_shape_from_its_negative_and_nothing_from_noise() -> None:
    random = np.random.default_rng(1)
    shape, noise = np.sin(np.arange(64) / 5), random.standard_normal((200, 64))
    weights = fit(shape + noise)
    assert (np.sign((shape + 0.5 * noise) @ weights) > 0).all()
    assert abs(np.sign(random.standard_normal((2000, 64)) @ weights).mean()) < 0.1


@pytest.mark.full
@pytest.mark.data
def test_what_ships_is_what_the_recordings_give_and_does_as_the_documentation_says(
    data_dir: Path, tmp_path: Path
) -> None:
    store, figures = tmp_path / "store", tmp_path / "figures.json"
    sources = [str(data_dir / name) for name in ("ptbxl", "ptbxl-normalised")]
    assert prepare([*sources, "--out", str(store), "--workers", "0"]) == 0
    assert main(["--store", str(store), "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert max(found[f"{lead}_weights_off_by"] for lead in ("I", "II")) <= 1
    assert found["I_turned_found"] == pytest.approx(0.982, abs=0.002)
    assert found["II_turned_found"] == pytest.approx(0.941, abs=0.002)
    assert max(found[f"{lead}_upright_taken_for_turned"] for lead in ("I", "II")) < 0.02
