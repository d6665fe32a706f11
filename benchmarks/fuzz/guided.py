"""Cases that coverage chooses: atheris (libFuzzer) keeps what reaches a branch not seen before and bends that.

Half of the changes are libFuzzer's own, half are the door's, so that what is sealed or nested is reached, too.
Only Python's branches are seen. libFuzzer ends the process itself, so the tally is written before.
"""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from benchmarks.fuzz.campaign import Tally, verdict_of
from benchmarks.fuzz.door import Door
from benchmarks.fuzz.judge import watched
from benchmarks.fuzz.worker import limit, write
from shared.errors import SelfmisError

SEEDS = 64
LONGEST_CASE = 1 << 16


def guided(
    door: Door, folder: Path, *, cases: int, seed: int, seconds: float | None, note: Callable[[int], object]
) -> NoReturn:
    """Run a door so; never returns. Refuses where atheris is not installed."""
    try:
        import atheris  # noqa: PLC0415 - optional
    except ImportError:
        raise SelfmisError("bench fuzz --guided needs atheris: pip install atheris") from None
    own = folder / "door"
    own.mkdir()
    with atheris.instrument_imports(include=list(door.guides)):
        opening = door.open(own)
    with opening as way, watched():
        limit()
        corpus = folder / "corpus"
        corpus.mkdir()
        for number in range(SEEDS):
            (corpus / f"{number:03}").write_bytes(way.valid(Random(f"{seed}/{number}")))
        tally, began = Tally(), time.process_time()

        def one(case: bytes) -> None:
            note(tally.cases)
            tally.count(tally.cases, case, verdict_of(door, way, case, valid=False))
            tally.seconds = time.process_time() - began
            if tally.cases >= cases or (seconds is not None and tally.seconds >= seconds):
                write(folder, tally.to_json())
                raise SystemExit(0)

        def bent(case: bytes, most: int, number: int) -> bytes:
            chance = Random(number)
            made: Any = way.bend(case, chance) if chance.random() < 0.5 else atheris.Mutate(case, most)
            return bytes(made[:most])

        options = ["fuzz", str(corpus), f"-seed={seed % 2**31 or 1}", f"-max_len={LONGEST_CASE}", "-verbosity=0"]
        options += ["-rss_limit_mb=0", "-timeout=0"]
        options += [f"-artifact_prefix={folder}/"]  # how we end looks to libFuzzer like a find, written down
        atheris.Setup(options, one, custom_mutator=bent)
        atheris.Fuzz()
    raise AssertionError("libFuzzer came back")
