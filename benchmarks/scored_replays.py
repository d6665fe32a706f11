"""Scored replays as files: one ``.npz``, or Parquet tables of windows and episodes.

Windows: ``patient``, ``time_s`` (end of the window), ``assessable``, and ten probabilities (``scores``, n × 10, in
``.npz``; columns named as `SCORE_NAMES` in Parquet). Episodes: ``episode_patient``, ``episode_start_s``,
``episode_stop_s`` in ``.npz``; ``patient``, ``start_s``, ``stop_s`` in a Parquet table of their own.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.inference.alarms.tuning import Replay, ReplayError
from shared.labels import SCORE_NAMES


def read_replay(path: Path, episodes: Path | None = None) -> Replay:
    """The replay in a file; what is missing or wrong is a `ReplayError` of one line."""
    if path.suffix == ".npz":
        if episodes is not None:
            raise ReplayError(f"{path.name} holds its episodes; --episodes goes with a Parquet file")
        columns = _npz(path)
        truth = [columns[name] for name in ("episode_patient", "episode_start_s", "episode_stop_s")]
    elif path.suffix == ".parquet":
        if episodes is None:
            raise ReplayError(f"{path.name}: name the table of its episodes with --episodes FILE.parquet")
        columns = _parquet(path, ("patient", "time_s", "assessable", *SCORE_NAMES))
        columns["scores"] = np.stack([columns[name] for name in SCORE_NAMES], axis=1)
        told = _parquet(episodes, ("patient", "start_s", "stop_s"))
        truth = [told[name] for name in ("patient", "start_s", "stop_s")]
    else:
        raise ReplayError(f"{path.name}: scored windows are .npz or .parquet")
    try:
        return Replay.of(
            [str(name) for name in columns["patient"].tolist()],
            columns["time_s"].astype(np.float64),
            columns["scores"].astype(np.float32),
            columns["assessable"].astype(bool),
            [(str(p), float(a), float(b)) for p, a, b in zip(*(c.tolist() for c in truth), strict=True)],
        )
    except ReplayError as error:
        raise ReplayError(f"{path.name}: {error}") from None
    except (ValueError, TypeError) as error:
        raise ReplayError(f"{path.name}: {(str(error).splitlines() or [''])[0]:.200}") from None


def _npz(path: Path) -> dict[str, Any]:
    names = ["patient", "time_s", "scores", "assessable", "episode_patient", "episode_start_s", "episode_stop_s"]
    try:
        # Opened here: numpy leaves a file that it cannot read open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except KeyError as error:
        raise ReplayError(f"{path.name}: {str(error).strip(chr(34))}; it needs {', '.join(names)}") from None
    except Exception as error:  # noqa: BLE001 - zipfile and NumPy parse it, and raise what zlib and Python's parser do
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReplayError(f"{path.name} cannot be read: {why:.200}") from None


def _parquet(path: Path, names: Iterable[str]) -> dict[str, Any]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ReplayError(f"{path.name} cannot be read: {error!s:.200}") from None
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ReplayError(f"{path.name}: no column {missing[0]}")
    return {name: table[name].to_numpy() for name in names}
