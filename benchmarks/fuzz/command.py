"""`selfmis bench fuzz`: bad input at every door. Each door runs in a process of its own."""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.fuzz.door import Door
from benchmarks.fuzz.doors import DOORS, named
from benchmarks.fuzz.worker import OUT, PROGRESS
from benchmarks.report import json_argument, write_json
from shared.command import ANSWER_IS_NO, DONE, Parser, run
from shared.errors import SelfmisError


@dataclass(frozen=True, slots=True)
class Asked:
    """How each door is to be run."""

    seed: int
    first: int
    seconds: float | None
    guided: bool
    keep: Path | None


def main(argv: Sequence[str]) -> int:
    """Hand bad input in at every door, and count what is neither taken nor refused in one clear line."""
    parser = Parser(prog="selfmis bench fuzz", description=main.__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="in all, shared by speed (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(default %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of each door's first case (default 0)")
    parser.add_argument("--door", action="append", metavar="NAME", help=f"only this one; repeatable: {_names()}")
    parser.add_argument("--seconds", type=float, help="of processor time, at most so many at each door")
    parser.add_argument("--jobs", type=int, default=1, help="doors at a time (default 1)")
    parser.add_argument("--guided", action="store_true", help="coverage chooses the cases; needs atheris")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write each case that shows a fault into it")
    json_argument(parser)
    chosen = parser.parse_args(argv)
    no_time = chosen.seconds is not None and not chosen.seconds > 0
    if min(chosen.cases, chosen.jobs) < 1 or chosen.first < 0 or no_time:
        raise SelfmisError("bench fuzz: --cases, --jobs and --seconds must be above 0, --first not below")
    doors = named(chosen.door)
    if chosen.guided:
        doors = tuple(door for door in doors if door.guides)
    asked = Asked(chosen.seed, chosen.first, chosen.seconds, chosen.guided, chosen.keep)

    def went(part: tuple[Door, int]) -> dict[str, Any]:
        door, cases = part
        tally = through(door, cases, asked)
        print(f"{door.name}: {tally['cases']:,} cases of {door.about}", file=sys.stderr, flush=True)
        return tally

    with ThreadPoolExecutor(chosen.jobs) as threads:
        tallies = list(threads.map(went, shared_out(doors, chosen.cases)))
    found = {door.name: tally for door, tally in zip(doors, tallies, strict=True)}
    show(found, stderr=chosen.json == "-")
    if chosen.json is not None:
        write_json(figures(found), chosen.json)
    return ANSWER_IS_NO if any(tally["crashed"] for tally in found.values()) else DONE


def _names() -> str:
    return ", ".join(door.name for door in DOORS)


def shared_out(doors: Sequence[Door], cases: int) -> list[tuple[Door, int]]:
    """Each door's part of the cases, at least one, by its share."""
    whole = sum(door.share for door in doors)
    return [(door, max(1, -(-cases * door.share // whole))) for door in doors]


def through(door: Door, cases: int, asked: Asked) -> dict[str, Any]:
    """One door's tally; that of a process that died is one crash."""
    with tempfile.TemporaryDirectory(prefix="selfmis-fuzz-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "benchmarks.fuzz.worker", door.name, name]
        command += ["--cases", str(cases), "--seed", str(asked.seed), "--first", str(asked.first)]
        if asked.seconds is not None:
            command += ["--seconds", str(asked.seconds)]
        command += ["--guided"] * asked.guided
        with (folder / "words").open("wb") as words:
            ended = subprocess.run(command, stdout=words, stderr=words, env=dict(os.environ), check=False)
        try:
            tally: dict[str, Any] = json.loads((folder / OUT).read_bytes())
        except OSError:
            tally = died(folder, ended.returncode)
    if asked.keep is not None:
        keep(asked.keep, door, tally)
    return tally


def died(folder: Path, code: int) -> dict[str, Any]:
    """The tally of a process that did not come to write one."""
    progress = folder / PROGRESS
    number = (progress.read_text(encoding="ascii").strip() or "none") if progress.exists() else "none"
    last = ((folder / "words").read_text(encoding="utf-8", errors="replace").splitlines() or [""])[-1]
    if number == "none":
        raise SelfmisError(f"bench fuzz: a door could not be opened: {last}")
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    crash = {
        "number": int(number), "kind": "died", "words": f"{how}: {last:.200}", "where": "", "times": 1, "case": ""
    }  # fmt: skip
    counts = dict.fromkeys(("accepted", "refused", "refusals", "seconds"), 0)
    return {"cases": int(number) + 1, **counts, "crashed": 1, "crashes": [crash]}


def keep(folder: Path, door: Door, tally: dict[str, Any]) -> None:
    """The cases of the crashes as files, for a closer look."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for crash in tally["crashes"]:
            (folder / f"{door.name}-{crash['number']}").write_bytes(base64.b64decode(crash["case"]))
    except OSError as error:
        raise SelfmisError(f"bench fuzz: cannot write into {folder}: {error.strerror}") from None


def figures(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, object]]:
    """For JSON: a set of figures a door, and all together."""
    rows: dict[str, dict[str, object]] = {name: _row(tally) for name, tally in found.items()}
    names = ("cases", "accepted", "refused", "crashes")
    total: dict[str, object] = {name: sum(int(str(row[name])) for row in rows.values()) for name in names}
    return {**rows, "all": total}


def _row(tally: dict[str, Any]) -> dict[str, object]:
    return {
        "cases": tally["cases"],
        "accepted": tally["accepted"],
        "refused": tally["refused"],
        "crashes": tally["crashed"],
        "kinds_of_refusal": tally["refusals"],
        "cases_per_s": round(tally["cases"] / tally["seconds"]) if tally["seconds"] else None,
    }


def show(found: dict[str, dict[str, Any]], *, stderr: bool) -> None:
    """A row a door, and below it each fault with the number that makes it again."""
    columns = ("door", "cases", "accepted", "refused", "crashes", "kinds of refusal", "cases/s")
    table = Table(*columns, title="Bad input", box=box.SIMPLE_HEAD, title_justify="left")
    for name, row in figures(found).items():
        table.add_row(name, *(f"{value:,}" if isinstance(value, int) else "" for value in row.values()))
    console = Console(stderr=stderr)
    console.print(table)
    for name, tally in found.items():
        for crash in tally["crashes"]:
            line = f"{name} {crash['number']} ({crash['times']} times): {crash['kind']}: {crash['words']}"
            console.print(f"{line} {crash['where']}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    raise SystemExit(run(main))
