"""`selfmis bench store`: how fast the store is made and read, against reading the recordings themselves."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import json_argument, present
from shared.command import Parser, run
from shared.errors import SelfmisError

LEAST = 256


def main(argv: Sequence[str]) -> int:
    """Make a store, read random batches of it, and read the originals with wfdb: records a second, one process."""
    parser = Parser(prog="selfmis bench store", description=main.__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", help="PTB-XL's layout; without it, simulated records")
    parser.add_argument("--records", type=int, default=512, metavar="N", help="simulated records (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure (%(default)s)")
    json_argument(parser)
    chosen = parser.parse_args(argv)
    if chosen.records < LEAST or not chosen.seconds > 0:
        raise SelfmisError(f"bench store: --records must be {LEAST} or more and --seconds above zero")
    from benchmarks.store_speed import measured, simulated  # noqa: PLC0415 - slow to import

    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        data = chosen.data
        if data is None:
            print(f"simulating {chosen.records} records …", file=sys.stderr)
            data = simulated(Path(folder), chosen.records)
        present("store, one process", measured(data, Path(folder) / "store", chosen.seconds), chosen.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
