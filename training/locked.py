"""A folder that one command at a time works in: others are told at once, and a lock ends with its process."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import SelfmisError

LOCK = ".lock"


@contextmanager
def locked(folder: Path, refuse: type[SelfmisError], *, taken: str) -> Iterator[None]:
    """Nobody else's `folder`, which is there already, until the block ends.

    ``refuse`` is raised, in one line, where it cannot be written to, where its file system has no locks, and, with
    ``taken`` behind the folder's name, where another process has it.
    """
    try:
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise refuse(f"cannot write {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refuse(f"{folder} {taken}") from None
        except OSError as error:
            raise refuse(
                f"{folder} is on a file system without locks ({error.strerror}): mount it with them"
            ) from None
        yield
