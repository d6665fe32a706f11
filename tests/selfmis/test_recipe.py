"""`selfmis recipe`: what a recipe says is what is done, once, and the model it makes is judged."""

import json
import shutil
from pathlib import Path

import pytest

from selfmis.recipe import MODELS, RecipeError, judged, main, read
from services.ingest.synthetic.ptbxl_layout import plan, write
from shared.artefact import load

ROOT = Path(__file__).resolve().parents[2]
SHIPPED_BY = sorted((ROOT / "training").glob("recipe*.toml"))
TINY = """
[defaults.pretrain]
store = "{store}"
folds = "1-7"
validate = "8"
plain = true
batch = 16
lr = 0.003
epochs = 2

[[step]]
id = "store"
do = "prepare"
of = "{data}/simulated"
workers = 0

[[step]]
id = "teacher"
do = "pretrain"
method = "upper"

[[step]]
id = "student"
do = "pretrain"
method = "joint"
teacher = "{teacher}"
with = {align = 0.3, dropout = 0.1}

[[step]]
id = "results"
do = "evaluate"
data = "{store}"
model = ["{student}"]
folds = "9,10"
draws = 50
leads = "none"

[[step]]
id = "model"
do = "export"
of = "{student}"
store = "{store}"
results = "{results}/results.json"
name = "tiny"

[[ships]]
step = "model"
as = "model"
tolerance = 0.02
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "simulated").mkdir()
    for _ in write(folder / "simulated", plan(160, seed=1, mix={"NORM": 0.5, "IMI": 0.3, "LMI": 0.2})):
        pass
    return folder


def made(recipe: Path, data: Path, out: Path, *more: str) -> int:
    return main([str(recipe), "--data", str(data), "--out", str(out), *more])


@pytest.fixture(scope="module")
def once(recipe: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the recipe was followed; with nothing shipped to compare with, that is refused at the end."""
    out = tmp_path_factory.mktemp("once")
    with pytest.raises(Exception, match="model: no such folder"):
        made(recipe, data, out)
    return out


def test_a_recipe_ends_in_a_model_that_loads_and_has_figures(once: Path) -> None:
    manifest = load(once / "model", expect_lead="I").manifest
    assert manifest.name == "tiny"
    assert "method joint, teacher upper" in manifest.trained_on
    assert 0 <= manifest.metrics["any_mi"]["auroc"] <= 1


def test_followed_again_elsewhere_it_makes_the_same_model(
    once: Path, recipe: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert made(recipe, data, tmp_path, "--against", str(once)) == 0
    assert "they differ by 0.0000; 0.02 is allowed" in capfd.readouterr().out
    weights = [load(folder / "model").manifest.files["weights.safetensors"] for folder in (once, tmp_path)]
    assert weights[0] == weights[1]


def test_what_is_done_is_not_done_again_and_what_was_killed_goes_on(
    once: Path, recipe: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(once, out)
    state = json.loads((out / "recipe.json").read_text())
    del state["results"], state["model"]  # as if killed before them
    (out / "recipe.json").write_text(json.dumps(state))
    shutil.rmtree(out / "model")
    before = (out / "student" / "encoder.safetensors").stat().st_mtime_ns
    assert made(recipe, data, out, "--against", str(once)) == 0
    said = capfd.readouterr().out
    assert "[3/5] student: done" in said
    assert "[4/5] results: selfmis evaluate" in said
    assert (out / "student" / "encoder.safetensors").stat().st_mtime_ns == before


def test_a_changed_step_is_refused_instead_of_mixed_with_what_was_done(
    once: Path, recipe: Path, data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(TINY.replace("align = 0.3", "align = 0.5"), encoding="utf-8")
    with pytest.raises(RecipeError, match="step student was done otherwise"):
        made(other, data, once)


def test_a_step_that_fails_is_named_and_ends_the_recipe(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(TINY.replace('"{data}/simulated"', '"{data}/nowhere"'), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"step store: .*nowhere"):
        made(broken, data, tmp_path / "out")
    assert not (tmp_path / "out" / "teacher").exists()


def test_a_model_that_does_worse_or_better_than_the_tolerance_is_told_by_the_exit_code(
    once: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(once / "model", once / "model", 0.001) == 0
    assert judged(once / "model", MODELS / "small-lead-i", 0.4) == 1
    assert "not comparable: tested on" in capsys.readouterr().out


def test_a_dry_run_prints_commands_that_can_be_typed(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made(recipe, tmp_path, tmp_path / "out", "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("selfmis pretrain --store ")
    assert "--with align=0.3 --with dropout=0.1" in lines[2]
    assert f"--teacher {tmp_path / 'out' / 'teacher'}" in lines[2]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('do = "export"', 'do = "exprt"', "no command 'exprt'"),
        ('teacher = "{teacher}"', 'teacher = "{model}"', "no {model} before it"),
        ('id = "teacher"', 'id = "store"', "each once"),
        ('step = "model"\nas', 'step = "other"\nas', "no step 'other'"),
        ("tolerance = 0.02", "tolerance = 2", "ships.tolerance"),
        ("[[ships]]", "[[ship]]", "unknown part 'ship'"),
        ("[[step]]", "[[step", "no TOML"),
        ('id = "results"\n', "", "a step without 'id'"),
    ],
)
def test_a_slip_in_a_recipe_is_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in TINY
    path = tmp_path / "slip.toml"
    path.write_text(TINY.replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError) as refused:
        read(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("path", SHIPPED_BY, ids=lambda path: path.name)
def test_the_recipe_of_a_shipped_model_says_which_it_makes_from_what(path: Path) -> None:
    recipe = read(path)
    methods = {
        step.words[i + 1] for step in recipe.steps for i, word in enumerate(step.words) if word == "--method"
    }
    for ships in recipe.ships:
        manifest = load(MODELS / ships.name).manifest
        (export,) = [step for step in recipe.steps if step.name == ships.step]
        assert manifest.name in export.words
        assert any(f"method {method}" in manifest.trained_on for method in methods)
    assert "9" in next(step for step in recipe.steps if step.command == "evaluate").words
