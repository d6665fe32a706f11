"""What `selfmis prepare` was asked to do, done: describe, download, prepare here or on Ray, say how it went."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from training.cluster import cluster, cluster_named
from training.prepare.describe import label_table, source_table
from training.prepare.download import download
from training.prepare.listing import PrepareError
from training.prepare.part import Cutting
from training.prepare.plan import Planned
from training.prepare.run import REJECTED, Prepared, list_source, plan_sources, prepare
from training.prepare.spread import here, over_ray
from training.progress import Progress
from training.revision import revision
from training.store import Store

# Starting Ray takes as long as reading this many records.
WORTH_RAY = 8_000
_NAMED = 5


def answer(chosen: argparse.Namespace) -> None:
    """Do it."""
    if chosen.describe is not None:
        store = Store(chosen.describe)
        console = Console()
        console.print(source_table(store), label_table(store))
        return
    sources = list(chosen.sources)
    if chosen.download is not None:
        fetched = download(chosen.download, rate=chosen.rate, mirror=chosen.mirror, limit=chosen.limit)
        print(f"{fetched:,} files fetched into {chosen.download}", file=sys.stderr)
        sources.append(str(chosen.download))
    if chosen.out is None:
        return
    folders = named(sources)
    planned = plan_sources([list_source(name, folder, chosen.labels) for name, folder in folders.items()])
    out = chosen.out.resolve()
    made = _spread(planned, out, Cutting(chosen.segments, chosen.lead), chosen.workers)
    _say(made, planned, chosen.out)


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
