"""`selfmis prepare` as a person types it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.command import CANNOT, run
from shared.errors import SelfmisError
from training.prepare.asked import named
from training.prepare.command import main
from training.store import Store

Make = Callable[..., Path]


def test_two_lines_say_what_was_made_and_what_was_not(
    ptbxl: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ptbxl(count=7)
    for broken in ("00002", "00005"):
        next(folder.rglob(f"{broken}_lr.dat")).unlink()
    next(folder.rglob("00007_lr.hea")).unlink()
    assert main([str(folder), "--out", str(tmp_path / "store")]) == 0
    said = capsys.readouterr()
    assert said.out == (
        f"4 segments in 1 parts (0 done before): {tmp_path / 'store'}\n"
        "2 records rejected, 1 absent, 0 duplicates\n"
    )
    assert "rejected ptbxl/2: its data file 00002_lr.dat is absent" in said.err
    assert "prepare 6 of 6 records" in said.err


def test_a_store_is_described_by_label_fold_and_source(
    ptbxl: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([f"mine={ptbxl()}", "--out", str(tmp_path / "store")])
    capsys.readouterr()
    assert main(["--describe", str(tmp_path / "store")]) == 0
    shown = capsys.readouterr().out
    rows = {words[0]: words[1:] for line in shown.splitlines() if (words := line.split())}
    assert rows["label"] == ["all", "2", "3", "4"]
    assert rows["IMI"] == ["2", "1", "1", "0"]
    assert rows["NORM"] == ["2", "0", "1", "1"]
    assert re.search(r"segments +4\b", shown)
    assert "mine" in shown


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ([], "name a folder of recordings and --out STORE"),
        (["x"], "--out STORE"),
        (["--out", "s"], "name a folder of recordings to read"),
        (["x", "--out", "s", "--segments", "0"], "--segments 0: from 1"),
        (["x", "--out", "s", "--workers", "-1"], "--workers -1: 0 or more"),
        (["x", "--out", "s", "--lead", "V9"], "invalid choice: 'V9'"),
        (["--download", "d", "--limit", "0"], "--limit 0: 1 or more"),
        (["/nowhere/x", "--out", "s"], "/nowhere/x is no folder"),
        (["--describe", "/nowhere"], "no finished store"),
    ],
)
def test_a_wrong_line_is_answered_with_one_line(
    line: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main, line) == CANNOT
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1


def test_sources_have_names_of_their_own() -> None:
    assert list(named(["/data/a", "b=/data/c"])) == ["a", "b"]
    with pytest.raises(SelfmisError, match="no other source has"):
        named(["/one/a", "/two/a"])


@pytest.mark.data
def test_the_real_recordings_become_a_store(data_dir: Path, tmp_path: Path) -> None:
    """A few hundred of each source: the loader reads the original, and counts what its README counts."""
    sources = [f"{name}={data_dir / name}" for name in ("ptbxl-normalised", "mitdb")]
    assert main([*sources, "--out", str(tmp_path / "store"), "--segments", "20"]) == 0
    store = Store(tmp_path / "store")
    assert len(store.select(sources=["ptbxl-normalised"], labelled=True)) == 1311
    assert int(store.labels(store.select(sources=["ptbxl-normalised"]))[:, -1].sum()) == 175
    mitdb = store.select(sources=["mitdb"], leads=("II", "V5"))
    assert len(mitdb) == 20
    assert 0.5 < float(store.signals(mitdb, ("II",)).max()) < 3


@pytest.mark.data
def test_hand_held_recordings_need_to_be_told_their_lead(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = tmp_path / "cinc2017"
    some.mkdir()
    for path in sorted((data_dir / "cinc2017").glob("A0000*")):
        (some / path.name).write_bytes(path.read_bytes())
    with pytest.raises(SelfmisError, match="say with --lead which it is"):
        main([str(some), "--out", str(tmp_path / "store")])
    assert main([str(some), "--out", str(tmp_path / "store"), "--lead", "I"]) == 0
    assert len(Store(tmp_path / "store").select(leads=("I",))) == len(list(some.glob("*.hea")))


@pytest.mark.data
@pytest.mark.full
def test_all_of_the_real_ptbxl_is_read(data_dir: Path, tmp_path: Path) -> None:
    main([str(data_dir / "ptbxl"), "--out", str(tmp_path / "store"), "--workers", "0"])
    store = Store(tmp_path / "store")
    assert store.labels()[:, [0, 1, 2, -1]].sum(axis=0).tolist() == [388, 365, 72, 789]
    assert len(store.select(leads=("I", "V6"), units="mv")) == 3835
