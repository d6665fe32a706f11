import errno
import json
import os
import resource
import signal
from pathlib import Path

import pytest
import torch

from shared.encoder import HeadConfig, build, new_head
from shared.labels import SCORE_NAMES
from training import runs
from training.runs import EncoderRecord, RunError

RECORD = EncoderRecord(method="supervised", leads=("I",), seed=3, label_free=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with an encoder and a head."""
    encoder = build("small", seed=1)
    runs.write_encoder(tmp_path / "run", encoder, RECORD)
    runs.write_head(tmp_path / "run", new_head(encoder.dim, HeadConfig(), seed=1), SCORE_NAMES)
    return tmp_path / "run"


def test_an_encoder_comes_back_as_it_was_written(folder: Path) -> None:
    trained = runs.load_encoder(folder)
    windows = torch.randn(2, 1, 1000)
    assert trained.record == RECORD
    assert trained.size == "small"
    assert torch.equal(trained.encoder(windows), build("small", seed=1).eval()(windows))


def test_a_head_comes_back_with_the_names_of_its_outputs(folder: Path) -> None:
    assert runs.load_head(folder).outputs == SCORE_NAMES


def test_a_teacher_is_recorded_with_its_student(folder: Path, tmp_path: Path) -> None:
    teacher = runs.teacher_record(folder, runs.load_encoder(folder))
    record = EncoderRecord(method="selfmis", leads=("I",), seed=0, label_free=False, teacher=teacher)
    runs.write_encoder(tmp_path / "student", build("small"), record)
    assert runs.load_encoder(tmp_path / "student").record.teacher == teacher
    assert teacher.title == "supervised (supervised, 1 leads, small)"


def test_an_encoder_of_other_leads_is_refused(folder: Path) -> None:
    with pytest.raises(RunError, match="reads lead I, but lead II is wanted"):
        runs.load_encoder(folder, leads=("II",))


def test_changed_weights_are_refused(folder: Path) -> None:
    weights = folder / runs.ENCODER_WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(RunError, match="not the file that its description vouches for"):
        runs.load_encoder(folder)


def test_a_checkpoint_of_another_shape_is_refused_in_one_line(folder: Path) -> None:
    described = json.loads((folder / runs.ENCODER).read_text())
    described["config"]["stem_width"] = 8
    (folder / runs.ENCODER).write_text(json.dumps(described))
    with pytest.raises(RunError, match="holds other shapes") as refused:
        runs.load_encoder(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("missing", [runs.ENCODER, runs.ENCODER_WEIGHTS])
def test_a_folder_without_an_encoder_is_refused(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(RunError, match=missing):
        runs.load_encoder(folder)


def test_another_preprocessing_is_refused(folder: Path) -> None:
    described = json.loads((folder / runs.ENCODER).read_text())
    (folder / runs.ENCODER).write_text(json.dumps({**described, "preprocessing_version": 0}))
    with pytest.raises(RunError, match="pre-processing version 0"):
        runs.load_encoder(folder)


def test_a_run_without_a_head_says_what_to_do(folder: Path) -> None:
    (folder / runs.HEAD).unlink()
    with pytest.raises(RunError, match="probe its encoder"):
        runs.load_head(folder)


def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "state"
    runs.write_file(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the kernel refuses to let a file grow further
    try:
        with pytest.raises(RunError, match=os.strerror(errno.EFBIG)):
            runs.write_file(path, b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert [file.name for file in tmp_path.iterdir()] == ["state"]
    assert path.read_bytes() == b"old"


def test_the_history_is_one_line_an_epoch(tmp_path: Path) -> None:
    epochs = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    runs.write_history(tmp_path, epochs)
    assert runs.read_history(tmp_path) == epochs
