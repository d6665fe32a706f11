"""Wall clocks that can be set, process by process: a small library (`stepped_clock.c`), compiled and preloaded."""

import mmap
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("stepped_clock.c")
_OFFSET = struct.Struct("<q")


def library(folder: Path) -> Path | None:
    """The library, compiled into ``folder``; None without a C compiler (or on a system that it does not fit)."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    made = folder / "stepped_clock.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(made), str(SOURCE), "-ldl"]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    return made if done.returncode == 0 else None


class SteppedClock:
    """The clock of one service, kept in a mapped file: a step is seen at once."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library, self._path = library, file
        file.write_bytes(_OFFSET.pack(0))
        with file.open("r+b") as opened:
            self._file = mmap.mmap(opened.fileno(), _OFFSET.size)

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process needs in its environment to live by this clock."""
        return {"LD_PRELOAD": str(self._library), "STEPPED_CLOCK_FILE": str(self._path)}

    def step(self, seconds: float) -> None:
        """So far off the true time, from now on."""
        self._file[:] = _OFFSET.pack(round(seconds * 1000))
