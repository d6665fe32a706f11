"""Where a result came from: the revision of this program and the versions of what it stands on."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

REVISION_VARIABLE = "SELFMIS_REVISION"
UNKNOWN = "unknown"

_ROOT = Path(__file__).resolve().parent.parent
_STANDS_ON = ("numpy", "ray", "safetensors", "scipy", "torch")


def revision(root: Path = _ROOT, *, environ: dict[str, str] | None = None) -> str:
    """The git revision of the program, ``-dirty`` appended where files differ from it.

    Where there is no git (an image, the working directory of a submitted job), what `SELFMIS_REVISION` says,
    else ``unknown``.
    """
    stated = (os.environ if environ is None else environ).get(REVISION_VARIABLE)
    if stated:
        return stated
    if not (root / ".git").exists():
        return UNKNOWN
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return UNKNOWN
    return commit + ("-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def versions() -> dict[str, str]:
    """Python's version and those of the packages that decide a number."""
    return {"python": platform.python_version()} | {name: version(name) for name in _STANDS_ON}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except OSError:  # no git on this machine
        return None
    return done.stdout.strip() if done.returncode == 0 else None
