"""The models that come with the program: whole, as good as they say, and scored alike by every engine."""

from pathlib import Path

import numpy as np
import pytest

from services.inference.engine import open_engine
from services.inference.engine.engine import MOST_AUROC_LOST, MOST_OFF_IN_BF16
from services.inference.engine.runtimes import RuntimeName
from shared.artefact import ArtefactError, load, shipped
from shared.artefact.session import PARITY
from shared.artefact.shipped import MODELS
from shared.sections import EngineSettings, WindowSettings

FOLDERS = sorted(path for path in MODELS.iterdir() if path.is_dir())
RUNTIMES: tuple[RuntimeName, ...] = ("onnxruntime", "openvino", "torch")
shipped_model = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def test_the_lead_that_wearables_carry_by_default_has_a_model() -> None:
    assert shipped(WindowSettings().lead) in FOLDERS


def test_a_lead_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"no model for lead II comes with this program .*: name one"):
        shipped("II", tmp_path)


@shipped_model
def test_a_folder_is_named_for_the_lead_that_its_model_reads(folder: Path) -> None:
    assert folder.name.endswith(f"-lead-{load(folder).manifest.lead.lower()}")


@shipped_model
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_golden_windows_score_as_the_manifest_vouches_for(folder: Path, runtime: RuntimeName) -> None:
    model = load(folder)
    engine = open_engine(model, EngineSettings(runtime=runtime, precision="fp32"))
    windows, expected = model.golden()
    assert len(windows) >= 16
    assert float(np.abs(engine(windows) - expected).max()) <= PARITY
    # Not one score for everybody: else any graph that ignores its input would pass.
    assert float(np.ptp(expected[:, -1])) > 0.05


@shipped_model
def test_in_bf16_it_scores_nearly_the_same_and_alike_in_any_batch(folder: Path) -> None:
    model = load(folder)
    engine = open_engine(model, EngineSettings(runtime="openvino", precision="bf16"))
    assert model.manifest.metrics["bf16"]["auroc_lost"] <= MOST_AUROC_LOST
    windows, expected = model.golden()
    many, order = np.resize(windows, (150, 1000)) * np.float32(1.1), np.random.default_rng(0).permutation(150)
    whole = engine(many)
    assert (engine(many[order]) == whole[order]).all()
    for size in (1, 7, 31, 64):
        assert (engine(many[:size]) == whole[:size]).all()
    assert float(np.abs(engine(windows) - expected).max()) <= MOST_OFF_IN_BF16


@shipped_model
def test_it_learnt_from_people_and_names_whose_recordings_they_are(folder: Path) -> None:
    manifest = load(folder).manifest
    assert [(source.name, source.licence) for source in manifest.data] == [("PTB-XL", "CC BY 4.0")]
    assert "10.13026/kfzx-aw45" in manifest.data[0].attribution
    assert manifest.trained_on.startswith("real recordings")


@shipped_model
def test_its_figures_are_there_and_the_card_tells_them(folder: Path) -> None:
    model = load(folder)
    any_mi = model.manifest.metrics["any_mi"]
    card = model.read("MODEL_CARD.md").decode()
    assert 0.5 < any_mi["ci_low"] < any_mi["auroc"] < any_mi["ci_high"] < 1
    assert f"{any_mi['auroc']:.4g}" in card
    assert "Not a medical device" in card


@shipped_model
def test_it_carries_the_alarm_rules_that_its_figures_are_of(folder: Path) -> None:
    manifest = load(folder).manifest
    assert manifest.alarm is not None
    assert manifest.alarm.model_dump() == manifest.metrics["alarms"]["rules"]
    assert manifest.metrics["polarity"][manifest.lead]["found"] > 0.9


@shipped_model
def test_no_file_of_it_is_code(folder: Path) -> None:
    assert {path.suffix for path in folder.iterdir()} == {".md", ".json", ".onnx", ".safetensors"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 32 << 20
