"""A small disk of our own: a tmpfs that only this process and those it starts can see, gone when they are."""

import ctypes
import os
from pathlib import Path

from shared.errors import SelfmisError

_CLONE_NEWNS = 0x00020000
_MNT_DETACH = 2
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
FILLER = "filler"
_CHUNK = 1 << 20


class NoDisk(SelfmisError):
    """This machine, or this user, allows no mount."""


def private_disk(folder: Path, megabytes: int) -> None:
    """Mount an empty disk on ``folder`` for this process; call it before any thread or process is started.

    Raises `NoDisk` where that is not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={megabytes}m,mode=0700".encode()
    if (
        libc.unshare(_CLONE_NEWNS)
        or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
        or libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options)
    ):
        raise NoDisk(f"no disk of our own: {os.strerror(ctypes.get_errno())}")


def unmount(folder: Path) -> None:
    """Take it off again; whoever still uses it keeps it so long."""
    ctypes.CDLL(None).umount2(os.fsencode(folder), _MNT_DETACH)


def fill(folder: Path) -> None:
    """Write until nothing more fits. What others free meanwhile stays free, so call it again."""
    with (folder / FILLER).open("ab", buffering=0) as filler:
        size = _CHUNK
        while size:
            try:
                filler.write(bytes(size))
            except OSError:
                size //= 2


def clear(folder: Path) -> None:
    """Give the room back."""
    (folder / FILLER).unlink(missing_ok=True)
