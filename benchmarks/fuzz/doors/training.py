"""What training reads: run folders, checkpoints, stores, labels, mappings, scored replays."""

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import torch

from benchmarks.fuzz.bend import bent_bytes, bent_json, bent_text
from benchmarks.fuzz.door import Way
from benchmarks.fuzz.judge import Wrong
from benchmarks.fuzz.parts import chosen, join, split
from benchmarks.scored_replays import read_replay
from shared.artefact import CalibrationRecord
from shared.encoder import HeadConfig, new_head
from shared.encoder.families.net1d import FAMILY, Net1DConfig
from shared.frames import LEADS
from shared.labels import SCORE_NAMES
from shared.network import Classifier
from training import runs
from training.decision.record import Decision, read_decision, write_decision
from training.prepare.hdf5 import read_mapping
from training.prepare.listing import PrepareError
from training.prepare.plain import list_plain
from training.prepare.tables import statements_of
from training.pretrain.state import Position, pack, unpack
from training.store import Segment, Source, Store, bits_of, finish, write_part

TINY = Net1DConfig(stem_width=4, stem_kernel=4, widths=(4, 8), depths=(1, 1), kernel=4, group_width=4)
_MAPPING = b"""files = ["part-*.hdf5"]
signals = "tracings"
axes = ["record", "sample", "lead"]
leads = ["DI", "DII", "DIII", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
rate_hz = 400
unit = "mV"
ids = "exam_id"
padding = "zeros"

[table]
file = "exams.csv"
record = "exam_id"
patient = "patient_id"
age = "age"
infarctions = true
statements = {MI = "infarct"}
"""
_LABELS = b"""record,scp_codes,strat_fold,patient_id,age,sex
a/r1,"{'IMI': 100.0, 'SR': 0.0}",1,7,61.0,0
r2,NORM SR,2,8.0,300,male
r3.hea,"{'ASMI': 35.0}",10,9,,f
"""


class Folder:
    """A folder that is good as made; a case is what of it changed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        paths = (path for path in home.rglob("*") if path.is_file())
        self.good = {str(path.relative_to(home)): path.read_bytes() for path in paths}

    def laid(self, changes: dict[str, bytes]) -> dict[str, bytes]:
        """Write the changes that are of this folder; gives them, for `restored`."""
        known = {name: body for name, body in changes.items() if name in self.good}
        for name, body in known.items():
            (self.home / name).write_bytes(body)
        return known

    def restored(self, changes: dict[str, bytes]) -> None:
        """As it was."""
        for name in changes:
            (self.home / name).write_bytes(self.good[name])


@contextmanager
def run(folder: Path) -> Iterator[Way]:
    """`training.runs` and `training.decision.record`: everything that is read of a run folder."""
    home = folder / "run"
    encoder = FAMILY.create(TINY, seed=1)
    record = runs.EncoderRecord(method="random", leads=("I",), seed=3, label_free=True)
    runs.write_config(home, {"plan": {"method": "random", "seed": 3}})
    runs.write_history(home, [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.4}])
    runs.write_encoder(home, encoder, record)
    head = new_head(encoder.dim, HeadConfig(kind="linear", outputs=len(SCORE_NAMES)), seed=2)
    runs.write_head(home, head, SCORE_NAMES)
    thresholds, none = dict.fromkeys(SCORE_NAMES, 0.4), dict.fromkeys(SCORE_NAMES, 1)
    decision = Decision(
        calibration=CalibrationRecord(),
        thresholds=thresholds,
        rule="youden",
        folds=(9,),
        records=10,
        positives=none,
        log_loss={"none": 0.5},
    )
    write_decision(home, decision)
    made = Folder(home)

    def bend(case: bytes, chance: Random) -> bytes:
        changes = split(case)
        name = chosen(made.good, chance)
        before = changes.get(name, made.good[name])
        changes[name] = (bent_bytes if name.endswith(".safetensors") else bent_json)(before, chance)
        describing = name.replace(".safetensors", ".json")
        if describing != name and chance.random() < 0.8:
            said = json.loads(made.good[describing])
            said["weights_sha256"] = hashlib.sha256(changes[name]).hexdigest()
            changes[describing] = json.dumps(said).encode()
        return join(changes)

    def enter(case: bytes) -> None:
        changes = made.laid(split(case))
        try:
            runs.read_config(home)
            runs.read_history(home)
            trained = runs.load_encoder(home)
            runs.teacher_record(home, trained)
            runs.load_head(home)
            read_decision(home)
        finally:
            made.restored(changes)

    yield Way(lambda _chance: b"", bend, enter)


@contextmanager
def checkpoint(_folder: Path) -> Iterator[Way]:
    """`training.pretrain.state`: bytes to a state that fits the model, or one line."""
    encoder = FAMILY.create(TINY, seed=1)
    network = Classifier(encoder, new_head(encoder.dim, HeadConfig(kind="linear", outputs=2), seed=2))
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.zeros(2, 1, 1000)).sum().backward()
    optimiser.step()
    best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    good = pack(network, optimiser, Position(1, 2, {"loss": 1.0}), best, deepcopy(network))
    fresh = torch.optim.AdamW(network.parameters())

    def bend(case: bytes, chance: Random) -> bytes:
        length = int.from_bytes(case[:8], "little")
        if chance.random() < 0.3 or not 2 < length < len(case):
            return bent_bytes(case[:4096], chance) + case[4096:]
        header = bent_json(case[8 : 8 + length], chance)
        return len(header).to_bytes(8, "little") + header + case[8 + length :]

    def enter(case: bytes) -> None:
        state = unpack(case)
        state.into_model(network)
        state.into_average(network)
        state.into_model(network, final=True)
        state.into_optimiser(fresh)

    yield Way(lambda _chance: good, bend, enter)


@contextmanager
def store(folder: Path) -> Iterator[Way]:
    """`training.store`: open a store and read all that training reads of it."""
    home = folder / "store"
    home.mkdir()
    chance = np.random.default_rng(0)
    segments = [
        Segment(
            record=str(i),
            source="made",
            counts=chance.integers(-500, 500, (12, 1000)).astype(np.int16),
            leads=bits_of(LEADS),
            patient=str(i // 2),
            fold=i % 10 + 1,
            statements={"IMI": 100.0},
            label_source="made",
        )
        for i in range(3)
    ]
    part = write_part(home, "0" * 16, segments, {})
    finish(home, [part], [Source("made", "wfdb", 3, 0)], created=datetime(2026, 1, 1, tzinfo=UTC), code="x")
    made = Folder(home)

    def bend(case: bytes, chance: Random) -> bytes:
        changes = split(case)
        name = chosen(made.good, chance)
        before = changes.get(name, made.good[name])
        if name.endswith(".json"):
            changes[name] = bent_json(before, chance)
        elif name.endswith(".npy"):
            changes[name] = bent_text(before[:128], chance) + before[128:]
        else:
            at = max(0, len(before) - 3000) if chance.random() < 0.7 else 0  # Parquet's structure is at its end
            changes[name] = before[:at] + bent_bytes(before[at : at + 3000], chance) + before[at + 3000 :]
        return join(changes)

    def enter(case: bytes) -> None:
        changes = made.laid(split(case))
        try:
            opened = Store(home)
            rows = opened.select(folds=range(1, 11), labelled=True, leads=("I",))
            opened.signals(rows, ("I", "V1"))
            opened.labels()
            opened.statements(["IMI"], rows)
            opened.statement_counts()
            _ = opened.patients, opened.sources, opened.units
        finally:
            made.restored(changes)

    yield Way(lambda _chance: b"", bend, enter)


@contextmanager
def labels(folder: Path) -> Iterator[Way]:
    """`training.prepare.tables`: a CSV of labels, as `selfmis prepare --labels` reads it."""
    file = folder / "labels.csv"

    def enter(case: bytes) -> None:
        file.write_bytes(case)
        listing = list_plain(folder, "mine", file, ["a/r1", "r2", "r3"])
        for cell in listing.table["scp"].dropna().tolist():
            try:
                statements_of(cell)
            except ValueError as error:  # what the caller counts as a rejected record
                raise PrepareError(f"a record is rejected: {error}") from None

    yield Way(lambda _chance: _LABELS, bent_text, enter)


@contextmanager
def hdf5_mapping(folder: Path) -> Iterator[Way]:
    """`training.prepare.hdf5`: the mapping, a TOML file."""
    file = folder / "mapping.toml"

    def enter(case: bytes) -> None:
        file.write_bytes(case)
        if not read_mapping(file).microvolts_each > 0:
            raise Wrong("a mapping was taken whose numbers are worth nothing")

    yield Way(lambda _chance: _MAPPING, bent_text, enter)


@contextmanager
def replay(folder: Path) -> Iterator[Way]:
    """`benchmarks.scored_replays`: an .npz of scored windows."""
    file = folder / "replay.npz"
    good = {
        "patient": np.array(["a", "a", "b"]),
        "time_s": np.array([10.0, 15.0, 10.0]),
        "scores": np.full((3, 10), 0.2, np.float32),
        "assessable": np.array([True, True, False]),
        "episode_patient": np.array(["a"]),
        "episode_start_s": np.array([12.0]),
        "episode_stop_s": np.array([20.0]),
    }

    def valid(_chance: Random) -> bytes:
        raw = io.BytesIO()
        np.savez(raw, allow_pickle=False, **good)
        return raw.getvalue()

    def enter(case: bytes) -> None:
        file.write_bytes(case)
        read_replay(file)

    yield Way(valid, bent_bytes, enter)
