"""A model folder appears complete or not at all, and its torch network comes back from it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from shared.artefact import ArtefactError, Facts, load
from shared.artefact.manifest import FileRecord
from shared.artefact.writing import publish, torch_model, write
from shared.encoder import HeadConfig, build, new_head
from shared.labels import SCORE_NAMES
from shared.network import Classifier


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_torch_gives_the_scores_of_the_graph(exported: Path, golden_mv: np.ndarray) -> None:
    model = load(exported)
    with torch.no_grad():
        again = torch_model(model)(torch.from_numpy(golden_mv)).numpy()
    assert np.ptp(again, axis=0).min() > 1e-3  # it does tell windows apart
    np.testing.assert_allclose(again, model.session()(golden_mv), rtol=0, atol=1e-4)


def test_the_weights_come_back_to_the_bit(exported: Path, classifier: Classifier) -> None:
    restored = torch_model(load(exported)).classifier.state_dict()
    assert restored.keys() == classifier.state_dict().keys()
    assert all(torch.equal(restored[name], tensor) for name, tensor in classifier.state_dict().items())


def test_a_rebuilt_network_can_be_trained_on(exported: Path, golden_mv: np.ndarray) -> None:
    network = torch_model(load(exported))
    network(torch.from_numpy(golden_mv)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_what_was_stated_is_in_the_manifest_and_on_the_card(exported: Path, facts: Facts) -> None:
    manifest = load(exported).manifest
    assert all(getattr(manifest, name) == getattr(facts, name) for name in Facts.model_fields)
    card = (exported / "MODEL_CARD.md").read_text()
    for text in ("Research use only", "lead I", "CC BY 4.0", "test.auroc.IMI | 0.91", "undefined", "0123abc"):
        assert text in card


def test_an_existing_folder_is_left_alone(
    exported: Path, classifier: Classifier, facts: Facts, golden_mv: np.ndarray
) -> None:
    before = {path: path.read_bytes() for path in exported.iterdir()}
    with pytest.raises(ArtefactError, match="exists already"):
        write(exported, classifier, facts, golden_mv=golden_mv)
    assert {path: path.read_bytes() for path in exported.iterdir()} == before


class StopsHalfWay(Mapping[str, bytes]):
    """Two files, the second of which cannot be had."""

    def __getitem__(self, name: str) -> bytes:
        if name == "two":
            raise KeyboardInterrupt
        return b"data"

    def __iter__(self) -> Iterator[str]:
        return iter(("one", "two"))

    def __len__(self) -> int:
        return 2


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path / "model", StopsHalfWay(), check=lambda _: None)
    assert listing(tmp_path) == []


def test_what_does_not_pass_its_check_is_not_published(tmp_path: Path) -> None:
    def check(_: Path) -> None:
        raise ArtefactError("no good")

    with pytest.raises(ArtefactError, match="no good"):
        publish(tmp_path / "model", {"one": b""}, check=check)
    assert listing(tmp_path) == []


def test_a_folder_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def rival(_: Path) -> None:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "theirs").touch()

    with pytest.raises(ArtefactError, match="exists already"):
        publish(tmp_path / "model", {"one": b""}, check=rival)
    assert listing(tmp_path / "model") == ["theirs"]
    assert listing(tmp_path) == ["model"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtefactError, match="cannot be written"):
        publish(tmp_path / "file" / "model", {}, check=lambda _: None)


@pytest.mark.parametrize(("leads", "outputs"), [(12, 10), (1, 9)])
def test_a_network_of_another_shape_is_refused(
    tmp_path: Path, facts: Facts, golden_mv: np.ndarray, leads: int, outputs: int
) -> None:
    encoder = build("small", leads=leads)
    network = Classifier(encoder, new_head(encoder.dim, HeadConfig(outputs=outputs)))
    with pytest.raises(ArtefactError, match="a model reads 1 lead and gives 10 scores"):
        write(tmp_path / "model", network, facts, golden_mv=golden_mv)


@pytest.mark.parametrize(
    "golden", [np.zeros((0, 1000)), np.zeros((65, 1000)), np.zeros((2, 999)), np.full((1, 1000), np.nan)]
)
def test_golden_windows_of_another_shape_are_refused(
    tmp_path: Path, classifier: Classifier, facts: Facts, golden: np.ndarray
) -> None:
    with pytest.raises(ArtefactError, match="golden windows must be"):
        write(tmp_path / "model", classifier, facts, golden_mv=golden.astype(np.float32))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"encoder": {"family": "vgg", "size": None, "config": {}}}, "no encoder family 'vgg'"),
        ({"encoder": {"family": "net1d", "size": None, "config": {}}}, "encoder configuration: missing"),
        ({"head": {"kind": "linear", "outputs": 10, "hidden": 1, "dropout": 0.0}}, "does not fit its encoder"),
        ({"head": {"kind": "linear", "outputs": 10**12, "hidden": 1, "dropout": 0.0}}, "outputs of the head"),
        ({"head": {}}, "head configuration: missing"),
    ],
)
def test_a_network_that_does_not_fit_its_weights_is_refused(
    folder: Path, reseal: Callable[..., None], entries: dict[str, object], message: str
) -> None:
    reseal(**entries)
    with pytest.raises(ArtefactError, match=message):
        torch_model(load(folder))


@pytest.mark.parametrize("damage", ["missing", "extra", "type", "shape", "nonsense"])
def test_weights_of_another_shape_are_refused(folder: Path, damage: str) -> None:
    import hashlib

    from shared.artefact import Model

    model = load(folder)
    weights = safetensors.torch.load(model.read("weights.safetensors"))
    first = next(name for name in weights if name.endswith("weight"))
    match damage:
        case "missing":
            del weights[first]
        case "extra":
            weights["more"] = torch.zeros(1)
        case "type":
            weights[first] = weights[first].double()
        case "shape":
            weights[first] = weights[first][:1].clone()
    data = b"nonsense" if damage == "nonsense" else safetensors.torch.save(weights)
    model.weights_path.write_bytes(data)
    record = FileRecord(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    files = model.manifest.files | {"weights.safetensors": record}
    with pytest.raises(ArtefactError, match=r"weights\.safetensors"):
        torch_model(Model(folder, model.manifest.model_copy(update={"files": files})))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"thresholds": {}}, "thresholds must name IMI"),
        ({"thresholds": dict.fromkeys(reversed(SCORE_NAMES), 0.5)}, "thresholds must name IMI"),
        ({"name": "My Model"}, "'name': String should match"),
        ({"metrics": {"auroc": float("nan")}}, "'metrics': must be nested objects of finite numbers"),
        ({"created": datetime(2026, 1, 2)}, "'created': must be in UTC"),  # noqa: DTZ001 - that is the point
        ({"data": ()}, "'data'"),
    ],
)
def test_an_impossible_statement_about_a_model_is_one_line(
    facts: Facts, entries: dict[str, object], message: str
) -> None:
    values = {name: getattr(facts, name) for name in Facts.model_fields}
    with pytest.raises(ArtefactError, match=rf"\Amodel facts: .*{message}.*\Z"):
        Facts.stated(**values | entries)
