"""Verify and load a model folder: nothing in it is used before its hash was checked, and nothing in it is code."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import safetensors
import safetensors.numpy

from shared.artefact.errors import ArtefactError, shown
from shared.artefact.manifest import Manifest, read_manifest
from shared.artefact.session import INPUT, OUTPUT, PARITY, Array, Session, open_session
from shared.labels import SCORE_NAMES
from shared.signal import PREPROCESSING_VERSION, RATE_HZ, WINDOW_SAMPLES

MANIFEST, GRAPH, WEIGHTS, GOLDEN, CARD = (
    "manifest.json",
    "model.onnx",
    "weights.safetensors",
    "golden.safetensors",
    "MODEL_CARD.md",
)
MEBIBYTE = 1 << 20
MAX_BYTES: Mapping[str, int] = MappingProxyType(
    {
        MANIFEST: MEBIBYTE,
        GRAPH: 1024 * MEBIBYTE,
        WEIGHTS: 1024 * MEBIBYTE,
        GOLDEN: 16 * MEBIBYTE,
        CARD: MEBIBYTE,
    }
)
SEALED = frozenset(MAX_BYTES) - {MANIFEST}
_CHUNK = 4 * MEBIBYTE


@dataclass(frozen=True)
class Model:
    """A verified model folder. Get one from `load`; files are read, and hashed again, when they are asked for."""

    folder: Path
    manifest: Manifest

    @property
    def graph_path(self) -> Path:
        """Where the ONNX graph lies; `read` gives its bytes with the hash checked."""
        return self.folder / GRAPH

    @property
    def weights_path(self) -> Path:
        """Where the weights lie."""
        return self.folder / WEIGHTS

    def read(self, name: str) -> bytes:
        """The bytes of a file, exactly those that the manifest vouches for."""
        record = self.manifest.files[name]
        try:
            data = b"".join(_chunks(self.folder / name, record.bytes))
        except ArtefactError as error:
            raise _about(self.folder, error) from None
        if len(data) != record.bytes or hashlib.sha256(data).hexdigest() != record.sha256:
            raise ArtefactError(f"model {self.folder}: {name} changed while it was in use")
        return data

    def session(self, threads: int = 1) -> Session:
        """A session over the graph on exactly ``threads`` threads; independent of other sessions."""
        try:
            return open_session(self.read(GRAPH), threads=threads)
        except ArtefactError as error:
            raise _about(self.folder, error) from None

    def golden(self) -> tuple[Array, Array]:
        """The windows (millivolts) kept with the model, and the probabilities it gave where it was exported."""
        try:
            tensors = safetensors.numpy.load(self.read(GOLDEN))
        except safetensors.SafetensorError as error:
            raise ArtefactError(f"model {self.folder}: {GOLDEN}: {error!s:.100}") from None
        windows, probabilities = (tensors.get(name) for name in (INPUT, OUTPUT))
        if (
            windows is None
            or probabilities is None
            or len(windows) == 0
            or windows.shape[1:] != (WINDOW_SAMPLES,)
            or probabilities.shape != (len(windows), len(SCORE_NAMES))
            or {windows.dtype, probabilities.dtype} != {np.dtype(np.float32)}
        ):
            raise ArtefactError(f"model {self.folder}: {GOLDEN} does not hold windows and their probabilities")
        return windows, probabilities

    def check_golden(self, session: Session) -> float:
        """Score the golden windows here; gives the largest difference, refuses one above `PARITY`."""
        windows, expected = self.golden()
        difference = float(np.abs(session(windows) - expected).max())
        if not difference <= PARITY:  # NaN is refused too
            raise ArtefactError(
                f"model {self.folder}: golden windows score {difference:.2g} off on this machine;"
                f" at most {PARITY:g} is allowed"
            )
        return difference


def load(folder: str | Path, *, expect_lead: str | None = None) -> Model:
    """`verify` a folder and give it as a `Model`."""
    return Model(Path(folder), verify(folder, expect_lead=expect_lead))


def verify(folder: str | Path, *, expect_lead: str | None = None) -> Manifest:
    """Check everything that can be checked without running the model; costs one read of the folder.

    Refuses with a one-line `ArtefactError` that names the culprit: the manifest (missing, unreadable, changed,
    of another format), a label, the lead, the rate, the window, the pre-processing version, or a file
    (missing, extra, not a plain file, too large, of another size or hash).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArtefactError(f"model {folder}: no such folder")
    try:
        manifest = read_manifest(_manifest_bytes(folder))
        _check_contract(manifest, expect_lead)
        _check_names(folder, manifest)
        for name in sorted(SEALED):
            _check_file(folder, name, manifest)
    except ArtefactError as error:
        raise _about(folder, error) from None
    return manifest


def _manifest_bytes(folder: Path) -> bytes:
    data = b"".join(_chunks(folder / MANIFEST, MAX_BYTES[MANIFEST]))
    if len(data) > MAX_BYTES[MANIFEST]:
        raise ArtefactError(f"{MANIFEST}: too large; at most {MAX_BYTES[MANIFEST]} bytes")
    return data


def _check_contract(manifest: Manifest, expect_lead: str | None) -> None:
    if manifest.labels != SCORE_NAMES:
        pairs = enumerate(zip(manifest.labels, SCORE_NAMES, strict=False))
        wrong = next((f"score {i} is {shown(is_)}, not {due!r}" for i, (is_, due) in pairs if is_ != due), None)
        raise ArtefactError(
            f"label order differs: {wrong or f'{len(manifest.labels)} labels, not {len(SCORE_NAMES)}'}"
        )
    if expect_lead is not None and manifest.lead != expect_lead:
        raise ArtefactError(f"it reads lead {manifest.lead}, but lead {expect_lead} is wanted")
    for what, found, due in (
        ("sampling rate (Hz)", manifest.rate_hz, RATE_HZ),
        ("window length (samples)", manifest.window_samples, WINDOW_SAMPLES),
        ("pre-processing version", manifest.preprocessing_version, PREPROCESSING_VERSION),
    ):
        if found != due:
            raise ArtefactError(f"its {what} is {shown(found)}, this program's is {due}; export the model again")


def _check_names(folder: Path, manifest: Manifest) -> None:
    listed = frozenset(manifest.files)
    for name in sorted(listed):
        if name in {"", ".", ".."} or set(name) & {"/", "\\", "\0"}:
            raise ArtefactError(f"manifest.json: {shown(name)} is no plain file name")
    for name in sorted(listed - SEALED):
        raise ArtefactError(f"manifest.json: lists {shown(name)}, which is no part of a model")
    for name in sorted(SEALED - listed):
        raise ArtefactError(f"manifest.json: does not list {name}")
    try:
        present = frozenset(path.name for path in folder.iterdir())
    except OSError as error:
        raise ArtefactError(f"cannot be listed: {error.strerror}") from None
    for name in sorted(present - SEALED - {MANIFEST}):
        raise ArtefactError(f"extra file {shown(name)}")
    for name in sorted(SEALED - present):
        raise ArtefactError(f"missing file {name}")


def _check_file(folder: Path, name: str, manifest: Manifest) -> None:
    record = manifest.files[name]
    if record.bytes > MAX_BYTES[name]:
        raise ArtefactError(f"{name}: {shown(record.bytes)} bytes is too large; at most {MAX_BYTES[name]}")
    digest = hashlib.sha256()
    size = 0
    for chunk in _chunks(folder / name, record.bytes):
        size += len(chunk)
        digest.update(chunk)
    if size != record.bytes:
        more = "more" if size > record.bytes else "less"
        raise ArtefactError(f"{name}: {more} than the {record.bytes} bytes that the manifest states")
    if digest.hexdigest() != record.sha256:
        raise ArtefactError(f"{name}: wrong sha256; the file is damaged or of another model")


def _chunks(path: Path, limit: int) -> Iterator[bytes]:
    """A plain file's bytes, at most ``limit`` + 1 of them; links, pipes and devices are refused."""
    try:
        # Without O_NONBLOCK a named pipe would wait for its writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ArtefactError(f"{path.name}: not a plain file")
            left = limit + 1
            while left and (chunk := file.read(min(left, _CHUNK))):
                left -= len(chunk)
                yield chunk
    except OSError as error:
        odd = error.errno in (errno.ELOOP, errno.EISDIR)
        why = "not a plain file" if odd else f"cannot be read: {error.strerror}"
        raise ArtefactError(f"{path.name}: {why}") from None


def _about(folder: Path, error: ArtefactError) -> ArtefactError:
    return ArtefactError(f"model {folder}: {error}")
