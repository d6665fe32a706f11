"""Which model the demo uses: the shipped one; until there is one, a small one trained on simulated patients."""

from pathlib import Path

from rich.console import Console

from shared.errors import SelfmisError

SHIPPED = Path("models/small-lead-i")


def ready(cache: Path, console: Console) -> Path:
    """The folder of a model: the shipped one, the cached one, or one trained now and cached."""
    for folder in (SHIPPED, cache):
        if (folder / "manifest.json").exists():
            return folder
    raise SelfmisError("no model")
