"""`selfmis bench signal`: what resampling, band-pass, normalisation and quality gate cost a window on one core.

The stages are timed in a process of their own whose numeric libraries were told to use one thread before they
were loaded, pinned to one core where the system allows it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import json_argument, present
from shared.command import DONE, Parser, run
from shared.errors import SelfmisError

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str]) -> int:
    """The command."""
    parser = Parser(prog="selfmis bench signal", description=__doc__)
    parser.add_argument("--windows", type=int, default=256, help="windows of each device rate in a batch")
    parser.add_argument("--repeats", type=int, default=20, help="the best of this many is reported")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.windows < 16 or arguments.repeats < 1:
        raise SelfmisError("bench signal: --windows must be at least 16 and --repeats at least 1")
    figures = measured(arguments.windows, arguments.repeats)
    present(f"One thread, best of {arguments.repeats}, CPU µs per window", figures, arguments.json)
    return DONE


def measured(windows: int, repeats: int) -> dict[str, float | int]:
    """Run `benchmarks.signal_stages` single-threaded and give its figures."""
    environment = os.environ | dict.fromkeys(_ONE_THREAD, "1")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "benchmarks.signal_stages", "--windows", str(windows)]
    command += ["--repeats", str(repeats)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SelfmisError(f"bench signal: the measuring process ended with {done.returncode}: {last}")
    figures: dict[str, float | int] = json.loads(done.stdout)
    return figures | {"windows_per_batch": windows, "repeats": repeats}


if __name__ == "__main__":
    raise SystemExit(run(main))
