"""The shipped models on real recordings: as good as their manifests say, on the fold they were tested on."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.artefact import load
from shared.artefact.shipped import MODELS
from training.evaluate.data import opened
from training.evaluate.run import Wish, evaluate
from training.prepare.part import Cutting
from training.prepare.run import list_source, plan_sources, prepare
from training.prepare.spread import here
from training.progress import Progress

FOLD = 9
TOLERANCE = 0.01
SOURCES = ("ptbxl", "ptbxl-normalised")


@pytest.fixture(scope="module")
def fold_9(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of that fold alone."""
    listings = [list_source(name, data_dir / name, None) for name in SOURCES]
    planned = plan_sources([replace(each, table=each.table[each.table["fold"] == FOLD]) for each in listings])
    folder = tmp_path_factory.mktemp("fold-9")
    prepare(
        planned,
        folder,
        cutting=Cutting(),
        spread=here,
        now=datetime(2026, 1, 1, tzinfo=UTC),
        code="test",
        progress=Progress("read", sum(source.records for source in planned), "records"),
    )
    return folder


@pytest.mark.data
@pytest.mark.parametrize(
    "folder", sorted(path for path in MODELS.iterdir() if path.is_dir()), ids=lambda folder: folder.name
)
def test_its_any_mi_auroc_on_fold_9_is_that_of_its_manifest(folder: Path, fold_9: Path) -> None:
    wish = Wish(models=(folder,), folds=(FOLD,), draws=1)
    with opened(fold_9, wish.folds) as tested:
        found = evaluate(wish, tested).results["any_mi"]
    stated = load(folder).manifest.metrics["any_mi"]
    assert (found["n"], found["positives"]) == (stated["n"], stated["positives"])
    assert abs(found["auroc"] - stated["auroc"]) <= TOLERANCE
