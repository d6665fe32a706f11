"""Which code made a result: the version of the package and, in a checkout, the git revision."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "selfmis-monitor"


def revision(root: Path | None = None) -> str:
    """Such as ``0.1.0+g1a2b3c4d`` (``.dirty`` where files were changed), or ``0.1.0`` outside a checkout."""
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
