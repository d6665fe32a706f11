"""`selfmis bench store`: how fast the store is made and read, against reading the recordings themselves."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.codec import per_second
from benchmarks.report import json_argument, present
from services.ingest.synthetic.ptbxl_layout import plan, write
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.frames import LEADS
from training.prepare.part import Cutting
from training.prepare.plan import Planned
from training.prepare.run import list_source, plan_sources, prepare
from training.prepare.spread import here
from training.revision import revision
from training.store import Store

FEW, MANY = 64, 256


def main(argv: Sequence[str]) -> int:
    """Make a store, read random batches of it, and read the originals with wfdb: records a second, one process."""
    parser = Parser(prog="selfmis bench store", description=main.__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", help="PTB-XL's layout; without it, simulated records")
    parser.add_argument("--records", type=int, default=512, metavar="N", help="simulated records (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure (%(default)s)")
    json_argument(parser)
    chosen = parser.parse_args(argv)
    if chosen.records < MANY or not chosen.seconds > 0:
        raise SelfmisError(f"bench store: --records must be {MANY} or more and --seconds above zero")
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        data = chosen.data
        if data is None:
            data = Path(folder) / "simulated"
            data.mkdir()
            print(f"simulating {chosen.records} records …", file=sys.stderr)
            for _ in write(data, plan(chosen.records, seed=1)):
                pass
        present("store, one process", measured(data, Path(folder) / "store", chosen.seconds), chosen.json)
    return 0


def measured(data: Path, out: Path, seconds: float) -> dict[str, float]:
    """The figures for the data set in ``data``; makes its store in ``out``, an empty or absent folder."""
    planned = plan_sources([list_source("bench", data, None)])
    start = time.perf_counter()
    made = prepare(planned, out, cutting=Cutting(), spread=here, now=datetime.now(UTC), code=revision())
    making = time.perf_counter() - start
    if made.segments < MANY:
        raise SelfmisError(f"{data} gives {made.segments} records: at least {MANY} are needed")
    store = Store(out)
    random = np.random.default_rng(0)

    def read(batch: int, leads: Sequence[str]) -> float:
        def work() -> None:
            store.signals(random.integers(len(store), size=batch), leads)

        work()  # the first touch maps the parts
        return per_second(work, batch, seconds / 5)

    one, few, whole = read(MANY, ("I",)), read(FEW, ("I",)), read(MANY, LEADS)
    wfdb_one, wfdb_whole = _wfdb(planned, 1, seconds / 5), _wfdb(planned, len(LEADS), seconds / 5)
    return {
        "read_records_per_s": one,
        "read_batch_64_records_per_s": few,
        "read_12_leads_records_per_s": whole,
        "wfdb_records_per_s": wfdb_one,
        "wfdb_12_leads_records_per_s": wfdb_whole,
        "read_over_wfdb": one / wfdb_one,
        "prepare_records_per_s": made.segments / making,
        "open_ms": _best(lambda: Store(out)) * 1e3,
        "records": len(store),
        "bytes_per_record": sum(path.stat().st_size for path in out.iterdir()) / len(store),
    }


def _wfdb(planned: Sequence[Planned], leads: int, seconds: float) -> float:
    """Records a second of the originals, read by the wfdb package in random order, as a training loop would."""
    import wfdb  # noqa: PLC0415 - half a second

    listing = planned[0].listing
    files = listing.table["file"][planned[0].take].tolist()
    order = np.random.default_rng(1).permutation(len(files)).tolist()
    position = iter(range(sys.maxsize))

    def work() -> None:
        name = files[order[next(position) % len(order)]]
        wfdb.rdrecord(os.fspath(listing.folder / name), channels=list(range(leads)))

    work()
    return per_second(work, 1, seconds)


def _best(work: Callable[[], object], repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    raise SystemExit(run(main))
