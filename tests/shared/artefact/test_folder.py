"""A model folder is loaded as it was written, or refused with one line that names what is wrong."""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from shared.artefact import ArtefactError, Model, load, verify
from shared.artefact.folder import SEALED
from shared.artefact.manifest import FileRecord, read_manifest
from shared.labels import SCORE_NAMES

Reseal = Callable[..., None]
FILES = ("MODEL_CARD.md", "golden.safetensors", "manifest.json", "model.onnx", "weights.safetensors")


def refusal(folder: Path, **wants: str) -> str:
    with pytest.raises(ArtefactError) as caught:
        verify(folder, **wants)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"model {folder}: ")
    assert len(message) < 400 + len(str(folder))
    return message.removeprefix(f"model {folder}: ")


def files_of(folder: Path) -> dict[str, dict[str, object]]:
    files: dict[str, dict[str, object]] = json.loads((folder / "manifest.json").read_text())["files"]
    return files


def test_a_written_model_verifies_and_says_what_it_is(exported: Path) -> None:
    manifest = verify(exported, expect_lead="I")
    assert (manifest.name, manifest.labels, manifest.lead) == ("tiny", SCORE_NAMES, "I")
    assert {path.name for path in exported.iterdir()} == set(FILES)


def test_the_seal_in_the_file_is_the_models_sha256(exported: Path) -> None:
    assert json.loads((exported / "manifest.json").read_text())["sha256"] == verify(exported).sha256


def test_a_loaded_model_scores_its_golden_windows_as_when_written(exported: Path) -> None:
    model = load(exported)
    assert model.check_golden(model.session(threads=2)) <= 1e-6


def test_the_files_of_a_loaded_model_can_be_read(exported: Path) -> None:
    model = load(exported)
    assert model.read("model.onnx") == model.graph_path.read_bytes()
    assert model.read("weights.safetensors") == model.weights_path.read_bytes()


def test_serving_a_model_does_not_import_torch(exported: Path) -> None:
    code = (
        "import sys; from shared.artefact import load; m = load(sys.argv[1]);"
        "m.check_golden(m.session()); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, exported], check=True, cwd=Path(__file__).parents[3])


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere") == "no such folder"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in refusal(folder)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "a\nb", "model.onnx.data"])
def test_an_extra_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).touch()
    assert refusal(folder).startswith("extra file '")


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_anywhere_in_any_file_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    data = path.read_bytes()
    dice = random.Random(name)
    for place in {0, len(data) - 1, *(dice.randrange(len(data)) for _ in range(40))}:
        for bit in (1, 1 << dice.randrange(1, 8)):
            with path.open("r+b") as file:
                file.seek(place)
                file.write(bytes([data[place] ^ bit]))
            assert name in refusal(folder), place
            with path.open("r+b") as file:
                file.seek(place)
                file.write(data[place : place + 1])
    verify(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_shorter_or_longer_file_is_refused(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    for changed in (b"", data[:-1], data + b"\n", data + data):
        (folder / name).write_bytes(changed)
        assert name in refusal(folder)


def test_a_link_or_a_pipe_or_a_folder_instead_of_a_file_is_refused(folder: Path) -> None:
    card = folder / "MODEL_CARD.md"
    moved = folder.parent / "card"
    card.rename(moved)
    card.symlink_to(moved)
    assert refusal(folder) == "MODEL_CARD.md: not a plain file"
    card.unlink()
    os.mkfifo(card)
    assert refusal(folder) == "MODEL_CARD.md: not a plain file"
    card.unlink()
    card.mkdir()
    assert refusal(folder) == "MODEL_CARD.md: not a plain file"


def test_another_lead_than_the_expected_is_refused(exported: Path) -> None:
    assert refusal(exported, expect_lead="II") == "it reads lead I, but lead II is wanted"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": 2}, "manifest.json: unknown format 2; this version reads format 1"),
        ({"format": True}, "manifest.json: unknown format True"),
        ({"format": "x" * 999}, "manifest.json: unknown format 'xxx"),
        ({"labels": ["ASMI", "IMI", *SCORE_NAMES[2:]]}, "label order differs: score 0 is 'ASMI', not 'IMI'"),
        ({"labels": list(SCORE_NAMES[:-1])}, "label order differs: 9 labels, not 10"),
        ({"labels": [*SCORE_NAMES, "X"]}, "label order differs: 11 labels, not 10"),
        ({"lead": "V7"}, "manifest.json: 'lead'"),
        ({"rate_hz": 500}, "its sampling rate (Hz) is 500, this program's is 100"),
        ({"window_samples": 10**4000}, "its window length (samples) is 1000"),
        ({"preprocessing_version": 999}, "its pre-processing version is 999, this program's is"),
        ({"thresholds": {"IMI": 0.5}}, "manifest.json: thresholds must name IMI"),
        ({"surprise": 1}, "manifest.json: 'surprise'"),
        ({"metrics": {"a\u001b[31m": 1}}, "manifest.json: 'metrics': must be one line"),
        ({"metrics": {"a": 10**4000}}, "manifest.json: 'metrics': must be nested objects of finite numbers"),
        ({"metrics": {"a": "good"}}, "manifest.json: 'metrics': must be nested objects of finite numbers"),
        ({"revision": "a\nb"}, "manifest.json: 'revision': must be one line"),
        ({"revision": "a\u2028b"}, "manifest.json: 'revision': must be one line"),
        ({"created": "2026-01-02T03:04:00+05:00"}, "manifest.json: 'created': must be in UTC"),
        ({"created": "2026-01-02T03:04:00"}, "manifest.json: 'created': must be in UTC"),
        ({"name": "../up"}, "manifest.json: 'name'"),
    ],
)
def test_a_manifest_of_other_ideas_is_refused(
    folder: Path, reseal: Reseal, entries: dict[str, object], message: str
) -> None:
    reseal(**entries)
    assert refusal(folder).startswith(message)


@pytest.mark.parametrize(
    "name", ["../weights.safetensors", "/etc/passwd", "..", ".", "", "a\\b", "sub/model.onnx", "x\0y"]
)
def test_a_file_name_that_leaves_the_folder_is_refused(folder: Path, reseal: Reseal, name: str) -> None:
    files = files_of(folder)
    files[name] = files.pop("weights.safetensors")
    reseal(files=files)
    assert re.fullmatch(r"manifest.json: '.*' is no plain file name", refusal(folder))


@pytest.mark.parametrize("name", sorted(SEALED))
def test_a_file_that_the_manifest_does_not_list_is_refused(folder: Path, reseal: Reseal, name: str) -> None:
    files = files_of(folder)
    del files[name]
    reseal(files=files)
    assert refusal(folder) == f"manifest.json: does not list {name}"


def test_a_file_that_is_no_part_of_a_model_is_refused_even_if_listed(folder: Path, reseal: Reseal) -> None:
    files = files_of(folder)
    reseal(files=files | {"run.py": files["model.onnx"]})
    assert refusal(folder) == "manifest.json: lists 'run.py', which is no part of a model"


@pytest.mark.parametrize("size", [1 << 40, 10**4000])
def test_a_file_that_claims_to_be_huge_is_refused_unread(folder: Path, reseal: Reseal, size: int) -> None:
    files = files_of(folder)
    files["model.onnx"]["bytes"] = size
    reseal(files=files)
    assert "is too large" in refusal(folder) or "'files.model.onnx.bytes'" in refusal(folder)


def test_a_huge_manifest_is_refused_unread(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 1 << 40)  # sparse
    assert refusal(folder).startswith("manifest.json: too large")


def test_a_file_that_changes_after_loading_is_refused(folder: Path) -> None:
    model = load(folder)
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ArtefactError, match=r"model\.onnx changed while it was in use"):
        model.session()


def test_golden_windows_that_score_otherwise_here_are_refused(folder: Path) -> None:
    model = load(folder)
    windows, probabilities = model.golden()
    for wrong in (probabilities + np.float32(1e-3), probabilities * np.float32("nan")):
        broken = _with_golden(folder, windows_mv=windows, probabilities=wrong)
        with pytest.raises(ArtefactError, match=r"golden windows score .* off on this machine"):
            broken.check_golden(broken.session())


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"windows_mv": np.zeros((2, 1000), np.float32)},
        {"windows_mv": np.zeros((0, 1000), np.float32), "probabilities": np.zeros((0, 10), np.float32)},
        {"windows_mv": np.zeros((2, 999), np.float32), "probabilities": np.zeros((2, 10), np.float32)},
        {"windows_mv": np.zeros((2, 1000), np.float64), "probabilities": np.zeros((2, 10), np.float32)},
    ],
)
def test_a_golden_file_of_another_shape_is_refused(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    with pytest.raises(ArtefactError, match=r"golden\.safetensors does not hold"):
        _with_golden(folder, **tensors).golden()


def _with_golden(folder: Path, **tensors: np.ndarray) -> Model:
    data = safetensors.numpy.save(tensors)
    (folder / "golden.safetensors").write_bytes(data)
    manifest = read_manifest((folder / "manifest.json").read_bytes())
    record = FileRecord(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    return Model(folder, manifest.model_copy(update={"files": manifest.files | {"golden.safetensors": record}}))


def test_a_copy_of_a_model_is_the_same_model(exported: Path, tmp_path: Path) -> None:
    assert verify(Path(shutil.copytree(exported, tmp_path / "copy"))) == verify(exported)
