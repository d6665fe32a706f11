"""One door in a process of its own: `python -m benchmarks.fuzz.worker`, started by `benchmarks.fuzz.command`.

A process of its own because a case may kill it, or need more memory than it may: the number of the case that is
under way stands in the file of progress, and the parent tells of it.
"""

import argparse
import json
import logging
import os
import resource
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fuzz.campaign import campaign
from benchmarks.fuzz.doors import named

ROOM_BYTES = 4 << 30
OUT, PROGRESS = "tally.json", "progress"


def main(argv: Sequence[str]) -> int:
    """Run one door; the tally goes into the folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("door")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--guided", action="store_true")
    chosen = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # NumPy says much about odd numbers, to nobody here
    logging.disable()
    (door,) = named([chosen.door])
    progress = os.open(chosen.folder / PROGRESS, os.O_CREAT | os.O_WRONLY)

    def note(number: int) -> None:
        os.pwrite(progress, b"%-20d" % number, 0)

    if chosen.guided:
        from benchmarks.fuzz.guided import guided  # noqa: PLC0415 - needs a package that is optional

        guided(door, chosen.folder, cases=chosen.cases, seed=chosen.seed, seconds=chosen.seconds, note=note)
    own = chosen.folder / "door"
    own.mkdir()
    with door.open(own) as way:
        limit()
        tally = campaign(
            door,
            way,
            cases=chosen.cases,
            seed=chosen.seed,
            first=chosen.first,
            seconds=chosen.seconds,
            note=note,
        )
        write(chosen.folder, tally.to_json())
    return 0


def write(folder: Path, tally: dict[str, object]) -> None:
    """The tally, whole or not at all."""
    draft = folder / f".{OUT}"
    draft.write_text(json.dumps(tally), encoding="utf-8")
    draft.replace(folder / OUT)


def limit() -> None:
    """So much more memory than now, and an allocation fails."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
