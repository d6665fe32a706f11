"""`selfmis prepare`: recordings → a store."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from shared.command import Parser
from shared.frames import LEADS
from training.cluster import cluster, cluster_named
from training.prepare.describe import label_table, source_table
from training.prepare.download import PHYSIONET, download
from training.prepare.listing import PrepareError
from training.prepare.part import Cutting
from training.prepare.plan import RECORDS_A_PART, Planned
from training.prepare.run import REJECTED, Prepared, list_source, plan_sources, prepare
from training.prepare.spread import here, over_ray
from training.progress import Progress
from training.revision import revision
from training.store import Store

# Starting Ray takes as long as reading this many records.
WORTH_RAY = 8_000
_NAMED = 5


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(
        prog="selfmis prepare",
        description="Read recordings and write a store that trains fast. SOURCE is a folder, or NAME=FOLDER, in "
        "PTB-XL's own layout (all of it or a part), in that of ptbxl-normalised (records.npz), of PTB Diagnostic, "
        "of a PhysioNet Challenge (2020, 2021) or of MIMIC-IV-ECG, or of any WFDB records; or the TOML file that "
        "describes HDF5 files. Run again, it does only what is missing or has changed.",
    )
    parser.add_argument(
        "sources", nargs="*", metavar="SOURCE", help="folder of recordings or TOML file, or NAME=…"
    )
    parser.add_argument("--out", type=Path, metavar="STORE", help="folder of the store")
    parser.add_argument("--labels", type=Path, metavar="CSV", help="what the records of a plain folder show")
    parser.add_argument("--lead", choices=LEADS, help="the lead that a file's only, unnamed signal is")
    parser.add_argument("--segments", type=int, default=1, metavar="N", help="most 10 s segments of a record (1)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; 0: this one, without Ray")
    parser.add_argument("--describe", type=Path, metavar="STORE", help="count what a store holds, and do no more")
    group = parser.add_argument_group("download")
    group.add_argument("--download", type=Path, metavar="DIR", help="fetch PTB-XL into DIR first, and read it too")
    group.add_argument(
        "--rate", type=int, choices=[100, 500], default=100, help="which of its rates to fetch (100)"
    )
    group.add_argument("--mirror", default=PHYSIONET, metavar="URL", help="where from (%(default)s)")
    group.add_argument("--limit", type=int, metavar="N", help="fetch only its first N records")
    chosen = parser.parse_args(argv)
    if chosen.describe is None and chosen.out is None and (chosen.sources or chosen.download is None):
        parser.error("name a folder of recordings and --out STORE, or --describe STORE, or --download DIR")
    if chosen.out is not None and not chosen.sources and chosen.download is None:
        parser.error("name a folder of recordings to read")
    if not 1 <= chosen.segments <= RECORDS_A_PART:
        parser.error(f"--segments {chosen.segments}: from 1 to {RECORDS_A_PART}")
    if chosen.workers is not None and chosen.workers < 0:
        parser.error(f"--workers {chosen.workers}: 0 or more")
    if chosen.limit is not None and chosen.limit < 1:
        parser.error(f"--limit {chosen.limit}: 1 or more")
    return chosen


def main(argv: Sequence[str]) -> int:
    """Prepare, describe or download; returns 0."""
    chosen = arguments(argv)
    if chosen.describe is not None:
        store = Store(chosen.describe)
        console = Console()
        console.print(source_table(store), label_table(store))
        return 0
    sources = list(chosen.sources)
    if chosen.download is not None:
        fetched = download(chosen.download, rate=chosen.rate, mirror=chosen.mirror, limit=chosen.limit)
        print(f"{fetched:,} files fetched into {chosen.download}", file=sys.stderr)
        sources.append(str(chosen.download))
    if chosen.out is None:
        return 0
    folders = named(sources)
    planned = plan_sources([list_source(name, folder, chosen.labels) for name, folder in folders.items()])
    out = chosen.out.resolve()
    made = _spread(planned, out, Cutting(chosen.segments, chosen.lead), chosen.workers)
    _say(made, planned, chosen.out)
    return 0


def named(sources: Sequence[str]) -> dict[str, Path]:
    """Each source's name and folder; without a name, the folder's is taken. Refuses the same name twice."""
    folders: dict[str, Path] = {}
    for source in sources:
        name, equals, folder = source.partition("=")
        path = Path(folder if equals else source).resolve()
        name = name if equals else path.stem if path.suffix == ".toml" else path.name
        if not name or name in folders:
            raise PrepareError(f"source {source}: write it as NAME=FOLDER, with a name no other source has")
        folders[name] = path
    return folders


def _spread(planned: Sequence[Planned], out: Path, cutting: Cutting, workers: int | None) -> Prepared:
    records = sum(source.records for source in planned)
    if workers is None and not cluster_named() and records < WORTH_RAY:
        workers = 0
    with contextlib.nullcontext() if workers == 0 else cluster(workers or os.cpu_count()):
        return prepare(
            planned,
            out,
            cutting=cutting,
            # One of our own has so many CPUs; of a cluster that others use too, we take no more.
            spread=here if workers == 0 else partial(over_ray, at_once=workers if cluster_named() else None),
            now=datetime.now(UTC),
            code=revision(),
            progress=Progress("prepare", records, "records"),
        )


def _say(made: Prepared, planned: Sequence[Planned], out: Path) -> None:
    for source, record, why in made.rejected[:_NAMED]:
        print(f"selfmis: rejected {source}/{record}: {why}", file=sys.stderr)
    if len(made.rejected) > _NAMED:
        print(f"selfmis: … and {len(made.rejected) - _NAMED:,} more: {out / REJECTED}", file=sys.stderr)
    absent = sum(source.listing.absent for source in planned)
    duplicates = sum(source.duplicates for source in planned)
    print(
        f"{made.segments:,} segments in {made.parts} parts ({made.found} done before): {out}\n"
        f"{len(made.rejected):,} records rejected, {absent:,} absent, {duplicates:,} duplicates"
    )
