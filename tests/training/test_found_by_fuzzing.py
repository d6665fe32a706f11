"""Bad input of training that once was not refused in one line; `selfmis bench fuzz` looks for it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from shared.encoder import HeadConfig, new_head
from shared.labels import SCORE_NAMES
from training import runs
from training.decision.record import DECISION, read_decision
from training.decision.threshold import DecisionError
from training.prepare.hdf5 import read_mapping
from training.prepare.listing import PrepareError
from training.prepare.tables import statements_of
from training.pretrain.state import StateError, unpack
from training.store import Store, StoreError
from training.store.layout import FORMAT, LEADS, MANIFEST, RATE_HZ, SAMPLES

DEEP = "[" * 100_000


def checkpoint(tensor: str, position: object) -> bytes:
    header = {"format": "1", "position": json.dumps(position)}
    return safetensors.torch.save({tensor: torch.zeros(1)}, header)


@pytest.mark.parametrize("tensor", ["strange.x", "optimiser.x.step", "x"])
def test_a_checkpoint_with_tensors_of_no_kind_is_refused(tensor: str) -> None:
    with pytest.raises(StateError):
        unpack(checkpoint(tensor, {}))


@pytest.mark.parametrize(
    "position",
    [{"epoch": "1"}, {"step": -1}, {"sums": [1]}, {"sums": {"loss": "x"}}, {"history": [1]}, {"x": 1}, []],
)
def test_a_checkpoint_whose_position_is_none_is_refused(position: object) -> None:
    with pytest.raises(StateError):
        unpack(checkpoint("model.x", position))


def test_json_nested_without_end_in_a_run_folder_is_refused(tmp_path: Path) -> None:
    for name in (runs.CONFIG, runs.HISTORY, DECISION):
        (tmp_path / name).write_text(DEEP)
    with pytest.raises(runs.RunError):
        runs.read_config(tmp_path)
    with pytest.raises(runs.RunError):
        runs.read_history(tmp_path)
    with pytest.raises(DecisionError):
        read_decision(tmp_path)


def test_a_history_of_other_things_than_epochs_is_refused(tmp_path: Path) -> None:
    (tmp_path / runs.HISTORY).write_text("[1]\n")
    with pytest.raises(runs.RunError):
        runs.read_history(tmp_path)


@pytest.mark.parametrize("dim", [float("inf"), -1, 2**60, "8", None])
def test_a_head_of_an_impossible_width_is_refused(tmp_path: Path, dim: object) -> None:
    runs.write_head(tmp_path, new_head(8, HeadConfig(outputs=len(SCORE_NAMES))), SCORE_NAMES)
    described = json.loads((tmp_path / runs.HEAD).read_text())
    (tmp_path / runs.HEAD).write_text(json.dumps(described | {"dim": dim}))
    with pytest.raises(runs.RunError):
        runs.load_head(tmp_path)


@pytest.mark.parametrize("wrong", [{"thresholds": list(SCORE_NAMES)}, {"folds": ["9"]}])
def test_a_decision_without_numbers_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    good = {
        "calibration": {}, "thresholds": dict.fromkeys(SCORE_NAMES, 0.5), "rule": "youden", "folds": [9],
        "records": 1, "positives": {}, "log_loss": {},
    }  # fmt: skip
    (tmp_path / DECISION).write_text(json.dumps(good))
    assert read_decision(tmp_path) is not None
    (tmp_path / DECISION).write_text(json.dumps(good | wrong))
    with pytest.raises(DecisionError):
        read_decision(tmp_path)


@pytest.mark.parametrize(
    "cell",
    ["{" * 100_000, "{'IMI': []}", "{'IMI': None}", "{'IMI': 1" + "0" * 400 + "}", "{[]: 1}", "{'IMI': NaN}"],
)
def test_statements_that_are_none_are_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        statements_of(cell)


@pytest.mark.parametrize("line", ["microvolts = inf", "x = " + "[" * 100_000])
def test_an_odd_mapping_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text(f'files = ["a"]\nsignals = "s"\nleads = ["I"]\nrate_hz = 400\n{line}\n')
    with pytest.raises(PrepareError):
        read_mapping(file)


@pytest.mark.parametrize(
    "part",
    [
        None,
        {},
        {"name": "x"},
        {"name": "../x", "segments": 1},
        {"name": 1, "segments": 1},
        {"name": "x", "segments": -1},
    ],
)
def test_a_store_whose_manifest_names_what_is_no_part_is_refused(tmp_path: Path, part: object) -> None:
    facts = {"rate_hz": RATE_HZ, "samples": SAMPLES, "leads": list(LEADS), "labels": list(SCORE_NAMES)}
    (tmp_path / MANIFEST).write_text(json.dumps({"format": FORMAT, "parts": [part]} | facts))
    with pytest.raises(StoreError):
        Store(tmp_path)
    (tmp_path / MANIFEST).write_text(DEEP)
    with pytest.raises(StoreError):
        Store(tmp_path)


def test_samples_that_are_an_archive_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.npy").open("wb") as file:
        np.savez(file, np.zeros(3))
    store = object.__new__(Store)
    store.path, store._parts, store._maps = tmp_path, [{"name": "x", "segments": 1}], {}
    with pytest.raises(StoreError):
        store._samples(0)


def test_samples_whose_header_is_cut_off_are_refused(tmp_path: Path) -> None:
    header = b"{'descr': ('<i2', ".ljust(118)
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    store = object.__new__(Store)
    store.path, store._parts, store._maps = tmp_path, [{"name": "x", "segments": 1}], {}
    with pytest.raises(StoreError):
        store._samples(0)


def test_an_optimiser_without_its_steps_is_refused() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(StateError):
        unpack(checkpoint("optimiser.0.exp_avg", {})).into_optimiser(torch.optim.AdamW([weight]))
