"""`selfmis plan`: how many cores, replicas, shards and Redis servers a number of patients takes."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from deploy.plan.costs import FOLDER, read
from deploy.plan.size import MOST_SHARDS, Plan, Ward, changes, size
from shared.command import DONE, Parser, run
from shared.errors import SelfmisError

MOST_PATIENTS = 10**8
_ROWS = {
    "frames_per_s": "frames a second",
    "windows_per_s": "windows a second",
    "ingest_cores": "cores of ingest or gateways, worked",
    "monitor_cores": "cores of the monitor beside the model, worked",
    "model_cores": "cores of the model, worked",
    "redis_cores": "cores of Redis, worked",
    "replicas": "replicas (a core each, with room)",
    "nodes": "nodes (one may be lost)",
    "shards": "shards",
    "patients_per_shard": "patients a shard",
    "shards_per_replica": "shards a replica",
    "commits_per_s": "commits a second",
    "windows_per_commit": "windows a commit",
    "redis_masters": "Redis masters (with room)",
    "redis_memory_gb": "memory of Redis, GB",
    "redis_stream_gb": "of it frames, GB",
    "redis_state_gb": "of it state, GB",
    "monitor_memory_gb": "memory of the monitor, GB",
    "into_redis_gbit_s": "into Redis, Gbit/s",
    "out_of_redis_gbit_s": "out of Redis, copies included, Gbit/s",
    "redis_disk_mb_s": "append-only files, MB/s",
    "lease_ops_per_s": "lease renewals and heartbeats a second, at most",
    "lease_redis_cores": "cores of Redis for these",
    "division_s": "dividing the shards anew, s",
    "take_over_s": "a dead replica's shards rest, s",
}


def main(argv: Sequence[str]) -> int:
    """Size a deployment from the measured costs in docs/benchmarks (capacity, commit, memory, ownership)."""
    parser = Parser(prog="selfmis plan", description=main.__doc__)
    defaults = {field.name: field.default for field in dataclasses.fields(Ward)}
    parser.add_argument("--patients", type=int, required=True, metavar="N", help="who stream at the same time")
    parser.add_argument("--stride", type=float, default=5.0, metavar="S", help="of windows (default %(default)s)")
    for name, kind, about in (
        ("rate_hz", float, "samples a second of a device"),
        ("horizon_s", float, "stream.replay_horizon_s"),
        ("pace_s", float, "monitor.pace_s"),
        ("lease_s", float, "monitor.lease_s"),
        ("shards", int, "stream.shards; 0: as advised"),
        ("copies", int, "replicas of each Redis"),
        ("node_cores", int, "cores of a node for replicas"),
        ("busy", float, "share of its time that a replica should work"),
        ("redis_busy", float, "the same of a Redis"),
    ):
        option = f"--{name.removesuffix('_s').removesuffix('_hz').replace('_', '-')}"
        parser.add_argument(
            option, dest=name, type=kind, default=defaults[name], help=f"{about} (default {defaults[name]})"
        )
    parser.add_argument(
        "--model-us", type=float, metavar="US", help="processor time of your model for a window, instead"
    )
    parser.add_argument("--figures", type=Path, default=FOLDER, metavar="DIR", help="other measured figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the plan as one JSON object")
    given = parser.parse_args(argv)
    given.stride_s = given.stride
    ward = Ward(**{name: getattr(given, name) for name in defaults})
    _check(ward, given.model_us)
    costs = read(given.figures)
    if given.model_us is not None:
        costs = dataclasses.replace(costs, model_window_us=given.model_us)
    plan = size(ward, costs)
    _show(ward, plan, given.figures)
    if given.json is not None:
        said = {**dataclasses.asdict(ward), **dataclasses.asdict(plan), "changes": changes(ward, plan)}
        try:
            given.json.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise SelfmisError(f"plan {given.json} cannot be written: {error.strerror}") from None
    return DONE


def _check(ward: Ward, model_us: float | None) -> None:
    limits = (
        (1 <= ward.patients <= MOST_PATIENTS, f"--patients must be 1 to {MOST_PATIENTS:,}"),
        (0.5 <= ward.stride_s <= 10, "--stride must be 0.5 to 10, as window.stride_s"),
        (50 <= ward.rate_hz <= 1000, "--rate must be 50 to 1000"),
        (ward.horizon_s >= 0 and 0 <= ward.pace_s <= 5, "--horizon and --pace must be possible settings"),
        (0.2 <= ward.lease_s <= 300, "--lease must be 0.2 to 300"),
        (0 <= ward.shards <= MOST_SHARDS, f"--shards must be 0 to {MOST_SHARDS:,}"),
        (ward.copies >= 0 and ward.node_cores >= 1, "--copies must be 0 or more, --node-cores 1 or more"),
        (0 < ward.busy <= 1 and 0 < ward.redis_busy <= 1, "--busy and --redis-busy must be above 0, at most 1"),
        (model_us is None or model_us > 0, "--model-us must be above 0"),
    )
    for fine, complaint in limits:
        if not fine:
            raise SelfmisError(f"plan: {complaint}")


def _show(ward: Ward, plan: Plan, figures: Path) -> None:
    console = Console(highlight=False)
    title = f"{ward.patients:,} patients, a window every {ward.stride_s:g} s, {ward.rate_hz:g} Hz"
    table = Table(box=box.SIMPLE_HEAD, show_header=False, title=title, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for name, about in _ROWS.items():
        value = getattr(plan, name)
        table.add_row(about, f"{value:,}" if isinstance(value, int) else _number(value))
    console.print(table)
    for change in changes(ward, plan):
        console.print(f"  - {change}", soft_wrap=True)
    console.print(f"\nFrom capacity, commit, memory and ownership in {figures}: cores like those measured.")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    raise SystemExit(run(main))
