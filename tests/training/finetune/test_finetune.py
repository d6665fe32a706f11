"""Fine-tuning: it learns, it resumes to the same end, and it keeps the best epoch."""

from pathlib import Path

import numpy as np
import pytest

from shared.errors import SelfmisError
from training.classifier import load_run
from training.finetune import loop
from training.finetune.command import main
from training.pretrain.progress import Progress
from training.runs import is_done, load_encoder, read_history

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


def test_interrupted_after_an_epoch_it_ends_as_if_it_had_not_been(
    tuned: Path, encoder_run: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupting:
        def __call__(self, progress: Progress) -> None:
            if progress.epoch == 2:
                raise KeyboardInterrupt

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


def test_another_run_in_the_folder_is_refused(
    encoder_run: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.finetune.run.finetune", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(encoder_run, cohort, tmp_path / "out")
    with pytest.raises(SelfmisError, match="holds another run"):
        run(encoder_run, cohort, tmp_path / "out", "--seed", "9")
