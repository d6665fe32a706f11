"""Fine-tuning: it learns, it resumes to the same end, and it keeps the best epoch."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from shared.errors import SelfmisError
from training.classifier import load_run
from training.finetune import loop
from training.finetune.command import main
from training.finetune.plan import FinetuneError
from training.pretrain.progress import Progress
from training.runs import is_done, load_encoder, load_head, read_history, write_encoder, write_head

OPTIONS = ["--folds", "1-7", "--validate", "8", "--epochs", "3", "--encoder-lr", "0.001", "--batch", "32"]


def run(encoder_run: Path, cohort: Path, out: Path, *more: str) -> int:
    return main([str(encoder_run), "--store", str(cohort), "--out", str(out), *OPTIONS, *more])


@pytest.fixture(scope="module")
def tuned(encoder_run: Path, cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tuned"
    assert run(encoder_run, cohort, out) == 0
    return out


def test_it_is_better_on_the_validation_records_than_the_probe_it_began_with(tuned: Path) -> None:
    losses = [epoch["validation_loss"] for epoch in read_history(tuned)]
    assert min(losses[1:]) < losses[0]


def test_it_bends_the_encoder_and_leaves_a_complete_run(tuned: Path, encoder_run: Path) -> None:
    assert is_done(tuned)
    assert load_encoder(tuned).weights_sha256 != load_encoder(encoder_run).weights_sha256
    assert not (tuned / loop.CHECKPOINT).exists()
    before, after = (load_run_norm(folder) for folder in (encoder_run, tuned))
    np.testing.assert_array_equal(before, after)


def load_run_norm(folder: Path) -> np.ndarray:
    """Running means of an encoder's norms, which fine-tuning must not move."""
    state = load_encoder(folder).encoder.state_dict()
    return np.concatenate([tensor.numpy() for name, tensor in state.items() if name.endswith("running_mean")])


class Interrupting:
    """Ends a fine-tuning after its second epoch, as whoever stops it would."""

    def __call__(self, progress: Progress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt


def test_interrupted_after_an_epoch_it_ends_as_if_it_had_not_been(
    tuned: Path, encoder_run: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tuned"
    monkeypatch.setattr("training.finetune.run.Lines", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        run(encoder_run, cohort, out)
    monkeypatch.undo()
    assert run(encoder_run, cohort, out) == 0
    assert load_run(out).sha256 == load_run(tuned).sha256


def test_where_tuning_helps_nothing_the_probe_is_kept(encoder_run: Path, cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(encoder_run, cohort, out, "--lr", "5", "--encoder-lr", "0", "--epochs", "2", "--clip", "100") == 0
    assert load_encoder(out).weights_sha256 == load_encoder(encoder_run).weights_sha256


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--lr", "0"], "lr must be above 0"),
        (["--encoder-lr", "-1"], "encoder_lr must be"),
        (["--warmup", "1"], "warmup must be"),
        (["--lr", "nan"], "lr must be"),
    ],
)
def test_nonsense_is_one_line(more: list[str], what: str, encoder_run: Path, cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(SelfmisError, match=what):
        run(encoder_run, cohort, tmp_path / "out", *more)


def doubled(module: nn.Module) -> None:
    """Other weights of the same shape."""
    with torch.no_grad():
        next(module.parameters()).mul_(2)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Begins a fine-tuning and ends it before its first epoch."""

    def begin(*asked: Any) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("training.finetune.run.finetune", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run(*asked)

    return begin


def test_another_run_in_the_folder_is_refused(
    encoder_run: Path, cohort: Path, tmp_path: Path, stopped: Callable[..., None]
) -> None:
    stopped(encoder_run, cohort, tmp_path / "out")
    with pytest.raises(SelfmisError, match="holds another run"):
        run(encoder_run, cohort, tmp_path / "out", "--seed", "9")


def test_a_checkpoint_of_an_encoder_that_was_trained_again_is_refused(
    encoder_run: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, out = tmp_path / "joint", tmp_path / "out"
    shutil.copytree(encoder_run, encoder)
    monkeypatch.setattr("training.finetune.run.Lines", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        run(encoder, cohort, out)
    monkeypatch.undo()
    assert (out / loop.CHECKPOINT).exists()
    first = load_encoder(encoder)
    doubled(first.encoder)
    write_encoder(encoder, first.encoder, first.record)
    with pytest.raises(FinetuneError, match="holds another run, with another weights_sha256") as refused:
        run(encoder, cohort, out)
    assert "\n" not in str(refused.value)


def test_another_head_to_start_from_is_refused(
    probed: Path, cohort: Path, tmp_path: Path, stopped: Callable[..., None]
) -> None:
    encoder, out = tmp_path / "joint", tmp_path / "out"
    shutil.copytree(probed, encoder)
    stopped(encoder, cohort, out)
    with pytest.raises(FinetuneError, match="another plan"):
        run(encoder, cohort, out, "--from-probe")
    head = load_head(encoder)
    doubled(head.head)
    write_head(encoder, head.head, head.outputs)
    with pytest.raises(FinetuneError, match="another weights_sha256"):
        run(encoder, cohort, out)
