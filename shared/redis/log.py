"""The last thing redis-server wrote to its log, without process number and date."""

import re
from pathlib import Path

# A line is: pid:role date level text. The level # is a warning.
_PREFIX = re.compile(r"^\d+:[A-Z] .{10,30}? [.\-*#] ")
_ENOUGH = 65536


def last_line(log: Path, *, after: int = 0) -> str:
    """The last line beyond byte ``after``, a warning if there is one; "nothing" where nothing was written."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(after, size - _ENOUGH))
            lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except FileNotFoundError:
        lines = []
    if not lines:
        return "nothing"
    loud = [line for line in lines if re.match(r"^\d+:[A-Z] .{10,30}? # ", line)]
    return _PREFIX.sub("", (loud or lines)[-1]).strip()
