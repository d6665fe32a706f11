"""What a frozen encoder makes of rows of a store: computed once, then read from a file."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.signal import PREPROCESSING_VERSION
from training.classifier import BATCH, Floats, applied, windows_of
from training.pretrain.dataset import store_fingerprint
from training.progress import Progress
from training.runs import RunError, TrainedEncoder
from training.store import Store

Rows = npt.NDArray[np.int64]

FOLDER = "embeddings"


def embeddings(
    trained: TrainedEncoder,
    store: Store,
    rows: Rows,
    *,
    cache: Path | None,
    leads: tuple[str, ...] | None = None,
    device: str = "cpu",
) -> Floats:
    """Embeddings (n × dim) of the rows, in their order; from ``cache`` where they were computed before.

    ``leads`` other than the encoder's own show it another lead in the place of its own. ``cache`` None computes
    them anew and keeps nothing. What is kept is named for the weights, the store, the leads, the rows and the
    pre-processing, so it can be stale in no way.
    """
    leads = trained.record.leads if leads is None else leads
    path = None if cache is None else cache / f"{_key(trained, store, rows, leads)}.npy"
    if path is not None and path.exists():
        try:
            kept: Floats = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            kept = np.empty((0, 0), np.float32)  # damaged: computed again below
        if kept.shape == (len(rows), trained.encoder.dim):
            return kept
    computed = _computed(trained, store, rows, leads, device)
    if path is not None:
        _keep(path, computed)
    return computed


def _computed(trained: TrainedEncoder, store: Store, rows: Rows, leads: tuple[str, ...], device: str) -> Floats:
    out = np.empty((len(rows), trained.encoder.dim), np.float32)
    progress = Progress("embed", len(rows), "records")
    batches = applied(trained.encoder, windows_of(store, rows, leads), device=device)
    for number, batch in enumerate(batches):
        out[number * BATCH : number * BATCH + len(batch)] = batch
        progress.advance(len(batch))
    progress.close()
    if not np.isfinite(out).all():
        raise RunError("the encoder gives embeddings that are no numbers: it was not trained to an end")
    return out


def _key(trained: TrainedEncoder, store: Store, rows: Rows, leads: tuple[str, ...]) -> str:
    facts = [trained.weights_sha256, store_fingerprint(store), leads, PREPROCESSING_VERSION]
    digest = hashlib.sha256(json.dumps(facts).encode())
    digest.update(np.ascontiguousarray(rows, np.int64).tobytes())
    return digest.hexdigest()[:32]


def _keep(path: Path, values: Floats) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as file:
                np.save(file, values, allow_pickle=False)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot keep embeddings in {path.parent}: {error.strerror}; name --cache DIR") from None
