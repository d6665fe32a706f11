"""`selfmis bench encoder` gives the figures that the documentation quotes."""

import json

import pytest

from benchmarks.encoder import main
from shared.command import run


def test_the_figures_of_one_encoder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--encoder", "small", "--batch", "2", "--repeats", "1", "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["small_parameters"], figures["small_macs"]) == (449_888, 5_996_224)
    assert all(figures[f"small_{what}_windows_per_s"] > 0 for what in ("train", "forward", "graph"))


def test_an_unknown_encoder_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--encoder", "huge"]) == 2
    assert "no encoder 'huge'; there are " in capsys.readouterr().err


def test_a_batch_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--batch", "0"]) == 2
    assert "--batch must be at least 1" in capsys.readouterr().err
