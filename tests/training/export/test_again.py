"""A model folder written again: the same model, its graph made by this version, figures measured since added."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from shared.artefact import Model, load
from shared.artefact.manifest import FileRecord
from training.export.again import main
from training.export.facts import ExportError
from training.export.renewal import MOST_MOVED


def figures(model: Model, **changes: Any) -> dict[str, Any]:
    manifest = model.manifest
    of = {
        "name": manifest.name,
        "lead": manifest.lead,
        "weights_sha256": manifest.files["weights.safetensors"].sha256,
        "calibration": manifest.calibration.model_dump(mode="json"),
    }
    return {"model": of | changes, "bf16": {"auroc_lost": 0.0005}}


def test_the_model_stays_the_model_and_figures_measured_since_are_added(model: Model, tmp_path: Path) -> None:
    said = tmp_path / "precision.json"
    said.write_text(json.dumps(figures(model)))
    assert main([str(model.folder), "--out", str(tmp_path / "new"), "--precision", str(said)]) == 0
    made = load(tmp_path / "new")
    assert made.manifest.metrics == {**model.manifest.metrics, "bf16": {"auroc_lost": 0.0005}}
    for name in ("created", "revision", "thresholds", "calibration", "encoder", "trained_on"):
        assert getattr(made.manifest, name) == getattr(model.manifest, name)
    assert made.manifest.files["weights.safetensors"] == model.manifest.files["weights.safetensors"]
    (windows, expected), (_, found) = model.golden(), made.golden()
    np.testing.assert_allclose(found, expected, rtol=0, atol=MOST_MOVED)
    assert np.array_equal(made.golden()[0], windows)


def test_figures_of_other_weights_are_refused(model: Model, tmp_path: Path) -> None:
    said = tmp_path / "precision.json"
    said.write_text(json.dumps(figures(model, weights_sha256="0" * 64)))
    with pytest.raises(ExportError, match="of other weights"):
        main([str(model.folder), "--out", str(tmp_path / "new"), "--precision", str(said)])


def test_a_model_that_this_version_scores_otherwise_is_refused(model: Model, tmp_path: Path) -> None:
    windows, expected = model.golden()
    folder = tmp_path / "old"
    folder.mkdir()
    for path in model.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    moved = {"windows_mv": windows, "probabilities": expected + np.float32(1e-3)}
    golden = safetensors.numpy.save(moved)
    record = FileRecord(sha256=hashlib.sha256(golden).hexdigest(), bytes=len(golden))
    (folder / "golden.safetensors").write_bytes(golden)
    files = {**model.manifest.files, "golden.safetensors": record}
    (folder / "manifest.json").write_text(model.manifest.model_copy(update={"files": files}).to_text())
    with pytest.raises(ExportError, match=r"0\.001 off what it says"):
        main([str(folder), "--out", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()
