"""`selfmis prepare`: recordings → a store."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser
from shared.frames import LEADS
from training.prepare.defaults import PHYSIONET, RECORDS_A_PART


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
    from training.prepare.asked import answer  # noqa: PLC0415 - slow to import

    answer(chosen)
    return DONE
