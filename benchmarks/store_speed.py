"""How fast a store is made and read, against reading the recordings themselves."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.codec import per_second
from services.ingest.synthetic.ptbxl_layout import plan, write
from shared.errors import SelfmisError
from shared.frames import LEADS
from training.prepare.part import Cutting
from training.prepare.plan import Planned
from training.prepare.run import list_source, plan_sources, prepare
from training.prepare.spread import here
from training.revision import revision
from training.store import Store

FEW, MANY = 64, 256


def simulated(folder: Path, records: int) -> Path:
    """So many simulated records in PTB-XL's layout below ``folder``."""
    data = folder / "simulated"
    data.mkdir()
    for _ in write(data, plan(records, seed=1)):
        pass
    return data


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
