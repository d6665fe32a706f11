"""The folder of one training run: what was asked for, how it went, and what came out.

    RUN/config.json          every argument, the program's revision, versions, fingerprint of the data
    RUN/history.jsonl        one line an epoch: loss terms, speed, validation
    RUN/encoder.json         what the encoder is; says the hash of the weights beside it
    RUN/encoder.safetensors
    RUN/head.json            the same for the classification head, where the method trained one
    RUN/head.safetensors
    RUN/any-lead/encoder.*   of a student of any lead: the whole, of which `selfmis lead` makes other leads' runs
    RUN/DONE                 written last: the run is complete

Every file appears complete or not at all; a weights file is written before the JSON that vouches for it. Nothing
here is a pickle, so a folder from elsewhere can be read without running anything of it.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import nn

from shared.encoder import Encoder, EncoderError, Head, HeadConfig, Registry, registry
from shared.encoder.contract import within
from shared.errors import SelfmisError
from shared.signal import PREPROCESSING_VERSION

CONFIG, HISTORY, DONE = "config.json", "history.jsonl", "DONE"
ENCODER, ENCODER_WEIGHTS = "encoder.json", "encoder.safetensors"
HEAD, HEAD_WEIGHTS = "head.json", "head.safetensors"
ANY_LEAD = "any-lead"


class RunError(SelfmisError):
    """A run folder cannot be written, or what is in it cannot be used."""


@dataclass(frozen=True, kw_only=True)
class TeacherRecord:
    """Which teacher a student was aligned with; stands beside every result of that student."""

    run: str
    """The name of the teacher's run folder."""
    method: str
    leads: tuple[str, ...]
    size: str | None
    label_free: bool
    weights_sha256: str

    @property
    def title(self) -> str:
        """For tables: ``upper, 12 leads, small`` and whether labels were used."""
        kind = "label-free" if self.label_free else "supervised"
        return f"{self.method} ({kind}, {len(self.leads)} leads, {self.size or 'own shape'})"


@dataclass(frozen=True, kw_only=True)
class EncoderRecord:
    """What there is to know about an encoder besides its shape and weights."""

    method: str
    leads: tuple[str, ...]
    seed: int
    label_free: bool
    """No label was used, neither by this method nor by its teacher."""
    teacher: TeacherRecord | None = None


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder in `eval` mode, its record, and the hash of its weights."""

    encoder: Encoder
    record: EncoderRecord
    size: str | None
    weights_sha256: str


@dataclass(frozen=True)
class TrainedHead:
    """A head in `eval` mode, whose logits' column ``i`` is ``outputs[i]``, and the hash of its weights."""

    head: Head
    outputs: tuple[str, ...]
    weights_sha256: str


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write (or replace) `config.json`; makes the folder."""
    _make(folder)
    write_file(folder / CONFIG, _json(config))


def read_config(folder: Path) -> dict[str, Any] | None:
    """What `write_config` wrote, or None where there is none yet."""
    return _read_json(folder / CONFIG) if (folder / CONFIG).exists() else None


def write_history(folder: Path, epochs: Iterable[Mapping[str, Any]]) -> None:
    """Write (or replace) the whole history, one line an epoch."""
    write_file(folder / HISTORY, "".join(json.dumps(epoch) + "\n" for epoch in epochs).encode())


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The epochs so far, oldest first; none where nothing was written."""
    path = folder / HISTORY
    try:
        epochs: list[Any] = (
            [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
        )
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error!s:.100}") from None
    if not all(isinstance(epoch, dict) for epoch in epochs):
        raise RunError(f"{path} does not hold a JSON object a line")
    return epochs


def finish(folder: Path, summary: Mapping[str, Any]) -> None:
    """Mark the run as complete. Write everything else first."""
    write_file(folder / DONE, _json(summary))


def is_done(folder: Path) -> bool:
    """Whether the run in this folder is complete."""
    return (folder / DONE).exists()


def write_encoder(
    folder: Path, encoder: Encoder, record: EncoderRecord, *, encoders: Registry | None = None
) -> None:
    """Write weights and record of ``encoder``; refuses a record whose leads are not the encoder's in number."""
    family, size = (encoders or registry()).describe(encoder)
    if len(record.leads) != encoder.config.leads:
        raise RunError(f"run {folder}: the encoder reads {encoder.config.leads} leads, not {len(record.leads)}")
    described = {
        "family": family,
        "size": size,
        "config": encoder.config.to_json(),
        "preprocessing_version": PREPROCESSING_VERSION,
        **dataclasses.asdict(record),
    }
    _make(folder)
    _write_pair(folder, ENCODER, ENCODER_WEIGHTS, encoder, described)


def write_head(folder: Path, head: Head, outputs: Sequence[str]) -> None:
    """Write weights of a classification head and the names of its outputs."""
    if len(outputs) != head.config.outputs:
        raise RunError(f"run {folder}: the head has {head.config.outputs} outputs, not {len(outputs)}")
    dim = next(module for module in head.modules() if isinstance(module, nn.Linear)).in_features
    described = {"dim": dim, "config": head.config.to_json(), "outputs": list(outputs)}
    _make(folder)
    _write_pair(folder, HEAD, HEAD_WEIGHTS, head, described)


def load_encoder(
    folder: str | Path, *, leads: Sequence[str] | None = None, encoders: Registry | None = None
) -> TrainedEncoder:
    """The encoder of a run, in `eval` mode on the processor; ``leads`` refuses one of other leads.

    One line names what is wrong: no such run, weights that are not those described, another pre-processing.
    """
    folder = Path(folder)
    described = _described(folder, ENCODER)
    try:
        teacher = described["teacher"]
        record = EncoderRecord(
            method=described["method"],
            leads=tuple(described["leads"]),
            seed=described["seed"],
            label_free=described["label_free"],
            teacher=teacher and TeacherRecord(**{**teacher, "leads": tuple(teacher["leads"])}),
        )
        encoder = (encoders or registry()).restore(described["family"], described["config"])
        size, version, sha256 = (described[k] for k in ("size", "preprocessing_version", "weights_sha256"))
    except (KeyError, TypeError) as error:
        raise RunError(f"run {folder}: {ENCODER} is not one of this program's: {error!s:.100}") from None
    except EncoderError as error:
        raise RunError(f"run {folder}: {error}") from None
    if version != PREPROCESSING_VERSION:
        raise RunError(
            f"run {folder}: trained on pre-processing version {version!r:.20}, this program's is"
            f" {PREPROCESSING_VERSION}; train it again"
        )
    if leads is not None and tuple(leads) != record.leads:
        raise RunError(f"run {folder}: reads {_listed(record.leads)}, but {_listed(leads)} is wanted")
    _load_weights(folder, ENCODER_WEIGHTS, encoder, sha256)
    return TrainedEncoder(encoder.eval(), record, size, sha256)


def load_head(folder: str | Path) -> TrainedHead:
    """The classification head of a run, in `eval` mode; `RunError` where the method trained none."""
    folder = Path(folder)
    if (folder / ENCODER).exists() and not (folder / HEAD).exists():
        raise RunError(f"run {folder}: its method trained no classification head; probe its encoder instead")
    described = _described(folder, HEAD)
    try:
        within("width of the embedding", described["dim"], 1, 8192)
        head = Head(described["dim"], HeadConfig.from_json(described["config"]))
        outputs, sha256 = tuple(described["outputs"]), described["weights_sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"run {folder}: {HEAD} is not one of this program's: {error!s:.100}") from None
    except EncoderError as error:
        raise RunError(f"run {folder}: {error}") from None
    _load_weights(folder, HEAD_WEIGHTS, head, sha256)
    return TrainedHead(head.eval(), outputs, sha256)


def has_head(folder: str | Path) -> bool:
    """Whether the run's method trained a classification head."""
    return (Path(folder) / HEAD).exists()


def teacher_record(folder: str | Path, trained: TrainedEncoder) -> TeacherRecord:
    """How the encoder of that run is described where it serves as a teacher."""
    return TeacherRecord(
        run=Path(folder).resolve().name,
        method=trained.record.method,
        leads=trained.record.leads,
        size=trained.size,
        label_free=trained.record.label_free,
        weights_sha256=trained.weights_sha256,
    )


def write_file(path: Path, data: bytes) -> None:
    """Write a file, all of it or none; a full disk is one line and leaves what stood there before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from None


def _write_pair(folder: Path, name: str, weights: str, module: nn.Module, described: dict[str, Any]) -> None:
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in module.state_dict().items()}
    data = safetensors.torch.save(tensors)
    write_file(folder / weights, data)
    write_file(folder / name, _json({**described, "weights_sha256": hashlib.sha256(data).hexdigest()}))


def _load_weights(folder: Path, name: str, module: nn.Module, sha256: str) -> None:
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise RunError(f"run {folder}: {name} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RunError(f"run {folder}: {name} is not the file that its description vouches for")
    try:
        module.load_state_dict(safetensors.torch.load(data), assign=True)
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise RunError(f"run {folder}: {name} holds other shapes: {' '.join(str(error).split()):.200}") from None


def _described(folder: Path, name: str) -> dict[str, Any]:
    if not folder.is_dir():
        raise RunError(f"run {folder}: no such folder")
    if not (folder / name).exists():
        raise RunError(f"run {folder}: has no {name}; is it a run folder, and did the run end?")
    return _read_json(folder / name)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error!s:.100}") from None
    if not isinstance(values, dict):
        raise RunError(f"{path} does not hold a JSON object")
    return values


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """As the values will be when they are read back: tuples become lists."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}") from None


def _listed(leads: Sequence[str]) -> str:
    return f"lead {leads[0]}" if len(leads) == 1 else f"leads {' '.join(leads)}"
