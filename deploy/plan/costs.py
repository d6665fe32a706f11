"""What things cost, from the figures of our benchmarks: which file, which numbers is said here and nowhere else.

A cost is processor time of one core of the machine that was measured (docs/benchmarks.md names it).
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from shared.errors import SelfmisError

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
FRAME_S = 1.0  # what `selfmis bench capacity` streams; its figures do not repeat it
_LEAST, _MOST = 1e-9, 1e15  # of any figure; beyond them nothing was measured


class NoFigures(SelfmisError):
    """A benchmark's figures are absent or not those that are wanted."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of a core, and bytes.

    ``…_frame_us``: for a frame of one second. ``…_window_us``: for a window. ``…_commit_us`` is what each turn of
    a shard costs, however few windows it brings: Redis its commit, the monitor all else. Sizes are those of
    Redis' memory.
    """

    ingest_frame_us: float
    monitor_frame_us: float
    monitor_window_us: float
    monitor_commit_us: float
    model_window_us: float
    redis_frame_us: float
    redis_window_us: float
    redis_commit_us: float
    monitor_bytes_per_patient: float
    state_bytes_per_patient: float
    trend_bytes_per_patient: float
    division_s: float  # of so many shards among so many replicas:
    division_pairs: float
    lease_op_us: float  # of Redis, for one renewal or heartbeat

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 < getattr(self, field.name) < float("inf"):
                raise NoFigures(
                    f"{field.name} comes out as {getattr(self, field.name):g} from the benchmarks' figures:"
                    " measure them anew (selfmis bench docs --measure)"
                )


def read(folder: Path) -> Costs:
    """The costs from a folder of figures; `NoFigures` names what is missing."""
    capacity, commit = _figures(folder, "capacity"), _figures(folder, "commit")
    memory, ownership = _figures(folder, "memory"), _figures(folder, "ownership")
    monitor_commit = _figures(folder, "capacity-curve", "capacity --curve 1000,20000")("turn_us")
    frames_per_window = capacity("patients") / capacity("windows_per_s") / FRAME_S
    # A commit of n windows costs Redis a + b·n.
    few, many = commit("server_us_per_commit_1"), commit("server_us_per_commit_1000")
    redis_window = (many - few) / 999
    redis_commit = few - redis_window
    windows_per_commit = capacity("windows_per_s") / (capacity("steps_per_s") * capacity("shards"))
    monitor_commit -= redis_commit
    redis_frames = capacity("redis_us") - redis_window - redis_commit / windows_per_commit
    by_frame = capacity("read_us") + capacity("place_us")
    return Costs(
        ingest_frame_us=capacity("ingest_us") / frames_per_window,
        monitor_frame_us=by_frame / frames_per_window,
        monitor_window_us=capacity("monitor_us") - by_frame - monitor_commit / windows_per_commit,
        monitor_commit_us=monitor_commit,
        model_window_us=capacity("model_us"),
        redis_frame_us=redis_frames / frames_per_window,
        redis_window_us=redis_window,
        redis_commit_us=redis_commit,
        monitor_bytes_per_patient=capacity("rss_mb") * 1e6 / capacity("patients"),
        state_bytes_per_patient=memory("state_bytes_per_patient"),
        trend_bytes_per_patient=memory("trend_bytes_per_patient"),
        division_s=ownership("fleet_division_s"),
        division_pairs=ownership("fleet") * ownership("shards"),
        lease_op_us=ownership("redis_cores") / ownership("redis_ops_per_s") * 1e6,
    )


class _figures:  # noqa: N801 - reads as the function that it is: figures of one file, asked for by name
    def __init__(self, folder: Path, name: str, how: str = "") -> None:
        self._path = folder / f"{name}.json"
        try:
            found: Any = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            raise NoFigures(
                f"no figures in {self._path}: run `selfmis bench {how or name} --json {self._path}`, or name a"
                " folder that has them with --figures"
            ) from None
        self._found: dict[str, Any] = found if isinstance(found, dict) else {}

    def __call__(self, key: str) -> float:
        value = self._found.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not _LEAST <= value <= _MOST:
            raise NoFigures(f"{self._path} says nothing usable about {key}: measure it anew")
        return float(value)
