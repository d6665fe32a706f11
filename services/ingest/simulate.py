"""`selfmis simulate`: simulated 12-lead recordings as a data set on disk."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from services.ingest.synthetic.ptbxl_layout import DATABASE, make_room, plan, write
from shared.command import Parser, run
from shared.errors import SelfmisError


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(
        prog="selfmis simulate",
        description="Write simulated 12-lead recordings (10 s each; normal, the nine infarct types and their "
        "mimics) as a data set. Same seed, same bytes.",
    )
    parser.add_argument("--layout", choices=["ptbxl"], required=True, help="how the data set is laid out")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write, empty")
    parser.add_argument("--records", type=int, default=2000, metavar="N", help="how many recordings (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which simulated people (%(default)s)")
    parser.add_argument(
        "--rate",
        type=int,
        choices=[100, 500],
        default=100,
        help="100: records100 only; 500: records500 as well, of the same heartbeats (%(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="replace an earlier simulated data set in DIR")
    chosen = parser.parse_args(argv)
    if not 1 <= chosen.records <= 99_999:
        raise SelfmisError(f"--records {chosen.records}: from 1 to 99999")
    return chosen


def main(argv: Sequence[str]) -> int:
    """Write the data set; returns 0."""
    chosen = arguments(argv)
    console = Console(stderr=True)
    rates = (100,) if chosen.rate == 100 else (100, 500)
    try:
        make_room(chosen.out, force=chosen.force)
        rows = plan(chosen.records, chosen.seed)
        for _ in track(write(chosen.out, rows, rates), "simulating", total=len(rows), console=console):
            pass
    except OSError as error:
        raise SelfmisError(f"cannot write {error.filename or chosen.out}: {error.strerror}") from None
    patients = len({row.spec.patient for row in rows})
    print(f"{len(rows)} simulated recordings of {patients} patients: {chosen.out / DATABASE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
