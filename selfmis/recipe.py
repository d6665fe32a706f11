"""`selfmis recipe FILE`: the commands of a recipe, one after the other, from recordings to a model folder.

A recipe is TOML. Each ``[[step]]`` is one `selfmis` command: its ``id``, the command it does (``do``), what it is
done to (``of``, the words without an option) and its options under their own names. ``{data}`` stands for
--data, and ``{ID}`` for the folder that an earlier step wrote: every step gets ``--out OUT/ID``. A list is
several values of one option, a table several KEY=VALUE. ``[defaults.COMMAND]`` holds what all steps of one
command have in common.
A ``[[ships]]`` says which step's model folder is a result, as what it is shipped, and how far the any-MI AUROC of
one made anew may lie from it.
"""

import importlib
import json
import re
import shlex
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.artefact import load
from shared.artefact.shipped import MODELS
from shared.command import ANSWER_IS_NO, DONE, Parser, run
from shared.errors import SelfmisError

STATE = "recipe.json"
_PLACE = re.compile(r"\{([^{}]*)\}")
_NAME = r"^[a-z0-9][a-z0-9-]*$"
# A data set may have grown since: this command does what is missing, and nothing where nothing is.
_ALWAYS = frozenset({"prepare"})


class RecipeError(SelfmisError):
    """A recipe that cannot be followed."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Ships(_Strict):
    """The result: the model folder of ``step``, which is shipped as `models/NAME`."""

    step: str
    name: str = Field(alias="as", pattern=_NAME)
    tolerance: float = Field(gt=0, lt=0.5)


@dataclass(frozen=True, slots=True)
class Step:
    """One command. ``words``: its arguments as the recipe has them, places not filled in."""

    name: str
    command: str
    words: tuple[str, ...]

    def arguments(self, places: Mapping[str, Path]) -> list[str]:
        """The words with ``places`` filled in, and where to write."""
        filled = [_PLACE.sub(lambda found: str(places[found[1]]), word) for word in self.words]
        return [*self.command.split(), *filled, "--out", str(places[self.name])]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps in their order, and which of them make what is shipped."""

    steps: tuple[Step, ...]
    ships: tuple[Ships, ...]


def main(argv: Sequence[str]) -> int:
    """Follow a recipe; interrupted, the same command goes on where it was.

    At the end the any-MI AUROC of each model made is laid beside that of the shipped one. The exit code is 1 where
    one differs by more than the recipe's tolerance.
    """
    parser = Parser(prog="selfmis recipe", description=main.__doc__)
    parser.add_argument("recipe", type=Path, metavar="FILE", help="such as training/recipe.toml")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where every step writes")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help=f"folder of the models to compare with (default {MODELS.name})"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands and do nothing")
    chosen = parser.parse_args(argv)
    recipe = read(chosen.recipe)
    out: Path = chosen.out.resolve()
    places = {"data": chosen.data.resolve(), **{step.name: out / step.name for step in recipe.steps}}
    if chosen.dry_run:
        for step in recipe.steps:
            print(shlex.join(["selfmis", *step.arguments(places)]))
        return DONE
    if not chosen.data.is_dir():
        raise RecipeError(f"no folder {chosen.data}: --data names the folder that the data sets lie in")
    follow(recipe, out, places)
    others = chosen.against or MODELS
    codes = [judged(places[each.step], others / each.name, each.tolerance) for each in recipe.ships]
    return ANSWER_IS_NO if any(codes) else DONE


def read(path: Path) -> Recipe:
    """The recipe in a file; a `RecipeError` of one line where it is none."""
    try:
        text = path.read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"recipe {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} is no TOML: {error}") from None
    try:
        return _recipe(said)
    except RecipeError as error:
        raise RecipeError(f"recipe {path}: {error}") from None


def follow(recipe: Recipe, out: Path, places: Mapping[str, Path]) -> None:
    """Do every step that is not done yet. What an earlier run in ``out`` did otherwise is refused, not undone."""
    out.mkdir(parents=True, exist_ok=True)
    state = _state(out)
    for step in recipe.steps:
        before = state.get(step.name)
        if before is not None and before["words"] != [step.command, *step.words]:
            raise RecipeError(
                f"step {step.name} was done otherwise in {out}: give another --out, or remove {places[step.name]}"
                f" and what came after it, and their lines in {STATE}"
            )
    for number, step in enumerate(recipe.steps, 1):
        where = f"[{number}/{len(recipe.steps)}] {step.name}"
        if _is_complete(step, state, places):
            print(f"{where}: done", flush=True)
        else:
            words = step.arguments(places)
            print(f"{where}: {shlex.join(['selfmis', *words])}", flush=True)
            state[step.name] = {"words": [step.command, *step.words], "done": False}
            _keep(out, state)
            begun = time.monotonic()
            _do(step, words)
            print(f"{where}: {time.monotonic() - begun:.0f} s", flush=True)
        state[step.name] = {"words": [step.command, *step.words], "done": True}
        _keep(out, state)


def _do(step: Step, words: list[str]) -> None:
    from selfmis.cli import find  # its table names this module, too

    command, rest = find(words)
    try:
        code = importlib.import_module(command.module).main(rest)
    except SelfmisError as error:
        raise RecipeError(f"step {step.name}: {error}") from None
    if code:
        raise RecipeError(f"step {step.name} ended with exit code {code}")


def judged(made: Path, other: Path, tolerance: float) -> int:
    """Print the any-MI AUROCs of two model folders; the exit code says whether they are close enough."""
    mine, theirs = (load(folder).manifest for folder in (made, other))
    (auroc, n), (due, of) = (_figure(manifest.metrics, manifest.name) for manifest in (mine, theirs))
    off = abs(auroc - due)
    print(f"{made}: {mine.sha256[:12]}; any-MI AUROC {auroc:.4f} on {n} records, {due:.4f} on {of} in {other}")
    if n != of:
        print(f"not comparable: tested on {n} and on {of} records, so this is other data")
        return ANSWER_IS_NO
    print(f"they differ by {off:.4f}; {tolerance:g} is allowed")
    return DONE if off <= tolerance else ANSWER_IS_NO


def _figure(metrics: Mapping[str, Any], name: str) -> tuple[float, int]:
    found = metrics.get("any_mi", {})
    if found.get("auroc") is None:
        raise RecipeError(f"the manifest of {name} states no any-MI AUROC: export it with --results")
    return float(found["auroc"]), int(found["n"])


def _recipe(said: Mapping[str, Any]) -> Recipe:
    if unknown := said.keys() - {"defaults", "step", "ships"}:
        raise RecipeError(f"unknown part {min(unknown)!r}; there are defaults, step and ships")
    steps: list[Step] = []
    known = {"data"}
    parts = said.get("step", [])
    if not isinstance(parts, list):
        raise RecipeError("steps are written as [[step]]")
    for part in parts:
        step = _step(part, said.get("defaults", {}))
        if step.name in known or not re.match(_NAME, step.name):
            raise RecipeError(f"step {step.name!r}: names are a-z, 0-9 and -, each once, and none is data")
        for place in (place for word in step.words for place in _PLACE.findall(word)):
            if place not in known:
                raise RecipeError(
                    f"step {step.name}: no {{{place}}} before it; there are {', '.join(sorted(known))}"
                )
        known.add(step.name)
        steps.append(step)
    ships = tuple(_shipped(part, known - {"data"}) for part in said.get("ships", []))
    if not ships:
        raise RecipeError("no [[ships]]: which step's model is the result?")
    return Recipe(tuple(steps), ships)


def _shipped(part: Any, steps: set[str]) -> Ships:
    try:
        ships = Ships.model_validate(part)
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"ships.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if ships.step not in steps:
        raise RecipeError(f"ships.step: no step {ships.step!r}")
    return ships


def _step(part: Mapping[str, Any], defaults: Mapping[str, Any]) -> Step:
    from selfmis.cli import COMMANDS  # the table names this module, too

    missing = [key for key in ("id", "do") if not isinstance(part.get(key), str)]
    if missing:
        raise RecipeError(f"a step without {missing[0]!r}: {str(dict(part))[:80]}")
    name, command = part["id"], part["do"]
    if command not in {each.name for each in COMMANDS}:
        raise RecipeError(f"step {name}: no command {command!r}; `selfmis --help` lists them")
    of = part.get("of", ())
    words = [of] if isinstance(of, str) else list(map(str, of))
    options = dict(defaults.get(command, {})) | {k: v for k, v in part.items() if k not in {"id", "do", "of"}}
    for key, value in options.items():
        words += _option(f"--{key.replace('_', '-')}", value)
    return Step(name, command, tuple(words))


def _option(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option] if value else []
    if isinstance(value, Mapping):
        return [word for key, each in value.items() for word in (option, f"{key}={_text(each)}")]
    return [option, *(map(_text, value) if isinstance(value, list) else [_text(value)])]


def _text(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _is_complete(step: Step, state: Mapping[str, Any], places: Mapping[str, Path]) -> bool:
    """Whether a step needs nothing more. One that was killed after its last word left a complete folder behind."""
    if step.name not in state or step.command in _ALWAYS:
        return False
    finished = {"export": "manifest.json", "probe": "DONE", "finetune": "DONE"}.get(step.command)
    if state[step.name]["done"]:
        return places[step.name].exists()
    return finished is not None and (places[step.name] / finished).exists()


def _state(out: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((out / STATE).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RecipeError(f"{out / STATE} cannot be read ({error!s:.80}): give another --out") from None
    return found


def _keep(out: Path, state: Mapping[str, Any]) -> None:
    partial = out / f".{STATE}.new"
    partial.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    partial.replace(out / STATE)


if __name__ == "__main__":
    raise SystemExit(run(main))
