"""Which code made a result: the version of the package, in a checkout the git revision, and what it stands on."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "selfmis-monitor"
VARIABLE = "SELFMIS_REVISION"
_STANDS_ON = ("numpy", "ray", "safetensors", "scipy", "torch")


def versions() -> dict[str, str]:
    """Python's version and those of the packages that decide a number."""
    return {"python": platform.python_version()} | {name: version(name) for name in _STANDS_ON}


def revision(root: Path | None = None, *, environ: Mapping[str, str] | None = None) -> str:
    """Such as ``0.1.0+g1a2b3c4d`` (``.dirty`` where files were changed), or ``0.1.0`` outside a checkout.

    Where `SELFMIS_REVISION` says it, that: an image or the working directory of a submitted job knows no git.
    """
    stated = (os.environ if environ is None else environ).get(VARIABLE)
    if stated:
        return stated
    root = Path(__file__).resolve().parent.parent if root is None else root
    try:
        number = version(PACKAGE)
    except PackageNotFoundError:  # sent to a cluster as a working directory, not installed
        number = "0"
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=.dirty", "--abbrev=12", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return number
    return f"{number}+g{described.stdout.strip()}" if described.returncode == 0 else number
