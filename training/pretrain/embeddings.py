"""What a frozen teacher makes of every row of a store: computed once, kept in a file that is mapped, never learnt.

Row i of the file is row i of the store, NaN where a row lacks a lead of the teacher's. The file is named for the
teacher's weights, the store and the version of pre-processing, so it is found again by every later run that may
use it, and by no other.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from shared.frames import LEADS
from shared.signal import PREPROCESSING_VERSION
from training.methods import Teacher
from training.pretrain.dataset import Dataset, read_windows, store_fingerprint
from training.pretrain.order import share_of
from training.pretrain.plan import Plan
from training.pretrain.world import World
from training.runs import RunError, TrainedEncoder, load_encoder
from training.store import Store

FOLDER = "embeddings"
_BATCH = 128
_CHUNK = 65_536

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embeddings:
    """A mapped file of embeddings (rows of the store × dim)."""

    mapped: Floats

    def __getitem__(self, rows: Rows) -> Floats:
        return np.asarray(self.mapped[rows], np.float32)

    def spread(self, rows: Rows) -> Teacher:
        """Mean and standard deviation over ``rows``, exact whatever their number; reads them once."""
        count, mean, squares = 0, np.zeros(self.mapped.shape[1]), np.zeros(self.mapped.shape[1])
        for start in range(0, len(rows), _CHUNK):
            chunk = self[rows[start : start + _CHUNK]].astype(np.float64)
            of_chunk = chunk.mean(axis=0)
            total = count + len(chunk)
            squares += ((chunk - of_chunk) ** 2).sum(axis=0) + (of_chunk - mean) ** 2 * (
                count * len(chunk) / total
            )
            mean += (of_chunk - mean) * (len(chunk) / total)
            count = total
        std = np.sqrt(squares / max(1, count))
        return Teacher(mean.astype(np.float32), std.astype(np.float32))


def of_teacher(plan: Plan, cache: Path | None, data: Dataset, world: World) -> Embeddings | None:
    """Those of the plan's teacher, if it has one; kept in ``cache``, or else in the teacher's run folder.

    Every worker calls it. Costs the teacher once over the store, and later only the reading of its weights.
    """
    if plan.teacher is None:
        return None
    teacher = load_encoder(plan.teacher, leads=LEADS)
    hidden = plan.lead if plan.needs.hidden_lead else None
    path = file_for(cache or plan.teacher / FOLDER, teacher, data.store, hidden=hidden)
    return ensure(path, teacher, data.store, world, hidden=hidden)


def file_for(folder: Path, teacher: TrainedEncoder, store: Store, *, hidden: str | None = None) -> Path:
    """Where the embeddings of that teacher and store are, or will be; the ``hidden`` lead is zeros, if any."""
    said = f"{teacher.weights_sha256}|{store_fingerprint(store)}|{PREPROCESSING_VERSION}"
    said += f"|without {hidden}" if hidden else ""
    return folder / f"{hashlib.sha256(said.encode()).hexdigest()[:24]}.npy"


def ensure(
    path: Path,
    teacher: TrainedEncoder,
    store: Store,
    world: World,
    *,
    hidden: str | None = None,
    show: Callable[[float], None] = lambda _: None,
) -> Embeddings:
    """Open the file; where it is not there yet, all workers compute it together, each a share of the rows.

    Every worker must see ``path``. Each writes a file of its own share and the first puts them together, so
    nothing depends on how a shared file system treats two writers of one file. Another run may do the same at the
    same time: until they are whole, the files have names of this run alone. Single precision, on any device.
    """
    # Decided together, as another run may just be finishing the file: whether anybody lacks it, and a number drawn
    # by the first worker, which the sum with zeros in double precision leaves exact.
    drawn = secrets.randbits(52) if world.rank == 0 else 0
    said = torch.tensor([float(not path.exists()), float(drawn)], dtype=torch.float64, device=world.device)
    absent, token = world.sum(said).tolist()
    if absent:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _compute(path, f"{int(token):013x}", teacher, store, world, show, hidden)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}; name another place with --cache") from None
    mapped = np.load(path, mmap_mode="r")
    if mapped.shape != (len(store), teacher.encoder.dim):
        raise RunError(f"{path} is damaged: remove it, and it is computed again")
    return Embeddings(mapped)


def embed(
    encoder: torch.nn.Module,
    store: Store,
    rows: Rows,
    leads: tuple[str, ...],
    device: torch.device,
    *,
    hidden: str | None = None,
) -> Floats:
    """The embeddings of some rows; the ``hidden`` one of the leads is zeros, as a flat lead is."""
    windows = read_windows(store, rows, leads)
    if hidden is not None:
        windows[:, leads.index(hidden)] = 0
    with torch.inference_mode():
        embedding: Floats = encoder(windows.to(device)).float().cpu().numpy()
    return embedding


def _compute(
    path: Path,
    token: str,
    teacher: TrainedEncoder,
    store: Store,
    world: World,
    show: Callable[[float], None],
    hidden: str | None,
) -> None:
    rows = store.select(leads=teacher.record.leads)
    parts = [path.with_suffix(f".{token}.{rank}-of-{world.size}.npy") for rank in range(world.size)]
    part = parts[world.rank]
    try:
        mine = rows[share_of(len(rows), world.rank, world.size)]
        _write_share(part, teacher, store, mine, world, show, hidden)
        world.barrier()
        if world.rank == 0:
            _join(path, path.with_suffix(f".{token}.draft.npy"), rows, len(store), parts)
        world.barrier()
    finally:
        part.unlink(missing_ok=True)


def _write_share(
    part: Path,
    teacher: TrainedEncoder,
    store: Store,
    rows: Rows,
    world: World,
    show: Callable[[float], None],
    hidden: str | None,
) -> None:
    encoder = teacher.encoder.to(world.device).eval()
    out = np.lib.format.open_memmap(part, "w+", np.float32, (len(rows), encoder.dim))
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        out[start : start + len(some)] = embed(
            encoder, store, some, teacher.record.leads, world.device, hidden=hidden
        )
        show((start + len(some)) / len(rows))
    out.flush()


def _join(path: Path, draft: Path, rows: Rows, total: int, parts: list[Path]) -> None:
    dim = np.load(parts[0], mmap_mode="r").shape[1]
    try:
        out = np.lib.format.open_memmap(draft, "w+", np.float32, (total, dim))
        for start in range(0, total, _CHUNK):
            out[start : start + _CHUNK] = np.nan
        for rank, part in enumerate(parts):
            mine = rows[share_of(len(rows), rank, len(parts))]
            mapped = np.load(part, mmap_mode="r")
            for start in range(0, len(mine), _CHUNK):
                out[mine[start : start + _CHUNK]] = mapped[start : start + _CHUNK]
        out.flush()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
