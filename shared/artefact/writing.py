"""Write a model folder, all of it or none, and build the torch network of one again. Needs torch."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn

from shared.artefact.card import card_text
from shared.artefact.errors import ArtefactError
from shared.artefact.folder import CARD, GOLDEN, GRAPH, MANIFEST, WEIGHTS, Model, verify
from shared.artefact.graph import export_graph
from shared.artefact.manifest import FORMAT, CalibrationRecord, EncoderRecord, Facts, FileRecord, Manifest
from shared.artefact.session import INPUT, OUTPUT, PARITY, Array, open_session
from shared.encoder import EncoderError, Head, HeadConfig, Registry, registry
from shared.labels import SCORE_NAMES
from shared.network import Calibration, Classifier, Preprocessing, Scorer
from shared.signal import PREPROCESSING_VERSION, RATE_HZ, WINDOW_SAMPLES

MAX_GOLDEN = 64


def scorer_of(classifier: Classifier, calibration: CalibrationRecord) -> Scorer:
    """The network that is exported: ``classifier`` between this version's pre-processing and ``calibration``."""
    return Scorer(
        Preprocessing(),
        classifier,
        Calibration(list(calibration.slope.values()), list(calibration.intercept.values())),
    ).eval()


def write(
    folder: str | Path,
    classifier: Classifier,
    facts: Facts,
    *,
    golden_mv: Array,
    encoders: Registry | None = None,
) -> Manifest:
    """Export ``classifier`` and write the model folder; gives its manifest.

    ``golden_mv`` are 1 to 64 windows in millivolts (real ones say most) whose scores are kept, so that any machine
    can check that it computes the same. The folder must not exist; it appears complete or not at all. Refuses a
    network for another number of leads or scores, and one whose graph and torch scores differ.
    """
    folder = Path(folder)
    _refuse_existing(folder)
    encoders = encoders or registry()
    windows = _golden_windows(golden_mv)
    family, size = encoders.describe(classifier.encoder)
    if classifier.encoder.config.leads != 1 or classifier.head.config.outputs != len(SCORE_NAMES):
        raise ArtefactError(
            f"a model reads 1 lead and gives {len(SCORE_NAMES)} scores, this network reads"
            f" {classifier.encoder.config.leads} and gives {classifier.head.config.outputs}"
        )
    scorer = scorer_of(classifier, facts.calibration)
    graph = export_graph(scorer)
    probabilities = open_session(graph)(windows)
    _check_parity(scorer, windows, probabilities)
    contents = {
        GRAPH: graph,
        WEIGHTS: weights_bytes(classifier),
        GOLDEN: safetensors.numpy.save({INPUT: windows, OUTPUT: probabilities}),
    }
    described = Manifest(
        **{name: getattr(facts, name) for name in Facts.model_fields},
        format=FORMAT,
        labels=SCORE_NAMES,
        rate_hz=RATE_HZ,
        window_samples=WINDOW_SAMPLES,
        preprocessing_version=PREPROCESSING_VERSION,
        encoder=EncoderRecord(family=family, size=size, config=classifier.encoder.config.to_json()),
        head=classifier.head.config.to_json(),
        files={},
    )
    contents[CARD] = card_text(described).encode()
    manifest = described.model_copy(update={"files": _records(contents)})
    publish(folder, contents | {MANIFEST: manifest.to_text().encode()}, check=verify)
    return manifest


def weights_bytes(classifier: nn.Module) -> bytes:
    """What `weights.safetensors` of a network holds."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in classifier.state_dict().items()}
    return safetensors.torch.save(weights)


def torch_model(model: Model, *, encoders: Registry | None = None) -> Scorer:
    """The network of a model folder in torch, on the CPU, in `eval` mode, equal to its graph within `PARITY`."""
    manifest = model.manifest
    try:
        # Without memory until the weights fit: a manifest cannot ask for more than its weights file holds.
        encoder = (encoders or registry()).restore(manifest.encoder.family, manifest.encoder.config)
        with torch.device("meta"):
            classifier = Classifier(encoder, Head(encoder.dim, HeadConfig.from_json(manifest.head)))
        classifier.load_state_dict(_weights(model, classifier), strict=True, assign=True)
    except EncoderError as error:
        raise ArtefactError(f"model {model.folder}: {error}") from None
    return scorer_of(classifier, manifest.calibration)


def publish(folder: Path, contents: Mapping[str, bytes], *, check: Callable[[Path], object]) -> None:
    """Make ``folder`` of these files in one step: written and checked beside it, then renamed."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
        try:
            for name in contents:
                _write_through(partial / name, contents[name])
            partial.chmod(0o755)
            check(partial)
            _refuse_existing(folder)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)  # gone already where the rename went well
        descriptor = os.open(folder.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ArtefactError(f"model {folder}: cannot be written: {error.strerror}") from None


def _weights(model: Model, classifier: nn.Module) -> dict[str, torch.Tensor]:
    try:
        weights = safetensors.torch.load(model.read(WEIGHTS))
    except safetensors.SafetensorError as error:
        raise ArtefactError(f"model {model.folder}: {WEIGHTS}: {error!s:.100}") from None
    wanted = {name: (tensor.shape, tensor.dtype) for name, tensor in classifier.state_dict().items()}
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ArtefactError(f"model {model.folder}: {WEIGHTS} does not fit its encoder at {name!a:.80}")
    return weights


def _records(contents: Mapping[str, bytes]) -> dict[str, FileRecord]:
    return {
        name: FileRecord(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        for name, data in contents.items()
    }


def _golden_windows(golden_mv: Array) -> Array:
    windows = np.ascontiguousarray(golden_mv, np.float32)
    if windows.ndim != 2 or windows.shape[1] != WINDOW_SAMPLES or not 1 <= len(windows) <= MAX_GOLDEN:
        raise ArtefactError(
            f"golden windows must be 1 to {MAX_GOLDEN} rows of {WINDOW_SAMPLES} samples, not {windows.shape}"
        )
    if not np.isfinite(windows).all():
        raise ArtefactError("golden windows must be finite")
    return windows


def _check_parity(scorer: Scorer, windows: Array, probabilities: Array) -> None:
    with torch.no_grad():
        expected = scorer(torch.from_numpy(windows)).numpy()
    difference = float(np.abs(expected - probabilities).max())
    if not difference <= PARITY:  # NaN is refused too
        raise ArtefactError(f"the graph scores golden windows {difference:.2g} off torch; at most {PARITY:g}")


def _refuse_existing(folder: Path) -> None:
    if os.path.lexists(folder):
        raise ArtefactError(f"model {folder}: exists already; give another name or remove it first")


def _write_through(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
