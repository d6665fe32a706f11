"""What a door is: how a valid case is made, how one is bent, and how it enters the program.

A case is always some bytes: what a stranger would hand in. Doors that take several things at once (a folder of
files, a header and its data) use `benchmarks.fuzz.parts`.
"""

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True, slots=True)
class Way:
    """An open door.

    ``valid`` makes a case that must be accepted. ``bend`` gives a case a little changed, in bytes or in what they
    mean; most results are wrong, some are right again. ``enter`` hands a case in: it returns where the program
    takes it, and raises what the program raises where it does not. The others depend on their arguments alone.
    ``always``: whether a valid case must be taken whatever came before it.
    """

    valid: Callable[[Random], bytes]
    bend: Callable[[bytes, Random], bytes]
    enter: Callable[[bytes], None]
    always: bool = True


@dataclass(frozen=True, slots=True)
class Door:
    """One of them. ``share``: its part of all cases, by how fast it is. ``guides``: modules whose branches guide.

    The module ``benchmarks.fuzz.doors.MODULE`` has ``NAME(folder)``, a context manager that gives the `Way`.
    ``work_s``: processor time after which one case counts as a hang.
    """

    name: str
    module: str
    about: str
    share: int
    guides: tuple[str, ...] = ()
    work_s: float = 3.0

    def open(self, folder: Path) -> AbstractContextManager[Way]:
        """The way in; ``folder`` is empty and the door's own. May start servers, which end with it."""
        module = importlib.import_module(f"benchmarks.fuzz.doors.{self.module}")
        opening: Callable[[Path], AbstractContextManager[Way]] = getattr(module, self.name.replace("-", "_"))
        return opening(folder)
