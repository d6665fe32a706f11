"""Which model the demo uses: the shipped one; until there is one, a small one trained on simulated patients.

Trained once, by the very commands that train a real one, and kept. Its manifest says what it was trained on.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from shared.errors import SelfmisError

SHIPPED = Path("models/small-lead-i")
RECORDS = 2400
EPOCHS = 12
SEED = 11


def ready(cache: Path, console: Console) -> Path:
    """The folder of a model: the shipped one, the cached one, or one trained now (some minutes) and cached."""
    for folder in (SHIPPED, cache):
        if (folder / "manifest.json").exists():
            return folder
    console.print(
        f"no model yet: training a small one on {RECORDS:,} simulated recordings, once; it is kept in {cache}"
    )
    work = cache.with_name(f"{cache.name}-work")
    shutil.rmtree(work, ignore_errors=True)
    data, store, trained = str(work / "data"), str(work / "store"), str(work / "run")
    _command("services.ingest.simulate", "--layout", "ptbxl", "--out", data, "--records", RECORDS, "--seed", SEED)
    _command("training.prepare", data, "--out", store, "--workers", 0)
    _command(
        "training.pretrain", "--store", store, "--out", trained, "--method", "supervised", "--plain",
        "--epochs", EPOCHS, "--keep", "best", "--folds", "1-8,10", "--validate", "9",
    )  # fmt: skip
    _command("training.export", trained, "--store", store, "--out", str(cache), "--name", "demo-simulated")
    shutil.rmtree(work, ignore_errors=True)
    return cache


def _command(module: str, *arguments: str | int) -> None:
    """One step of the training chain, its progress shown; whatever it complains about is shown, too."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    if subprocess.run(command, check=False).returncode:
        raise SelfmisError(
            f"the demo's model cannot be trained: `python -m {module} …` failed, its words are above"
        )
