"""`selfmis demo`: embedded Redis, local Ray, Serve and the ingest of a simulated ward, watched live, then judged.

The exit code tells whether the *pipeline* did its work: every window, score and alert as an offline run of the
same samples finds them, and every shard owned. How well the *model* did is printed as it is.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from shared.command import Parser, run, settings_arguments
from shared.errors import SelfmisError

SCENARIO = Path(__file__).resolve().parent.parent / "scenarios" / "demo.yaml"
SECONDS_VARIABLE = "DEMO_SECONDS"


def main(argv: Sequence[str]) -> int:
    """Watch a simulated ward until Ctrl-C (or --seconds), then compare what happened with what was simulated."""
    parser = Parser(prog="selfmis demo", description=main.__doc__)
    parser.add_argument(
        "--seconds", type=float, default=_seconds(), help="end after so long (default: DEMO_SECONDS)"
    )
    parser.add_argument("--scenario", type=Path, default=SCENARIO, help="another ward (default: the demo's own)")
    parser.add_argument("--model", type=Path, metavar="DIR", help="a model folder (default: the shipped one)")
    parser.add_argument("--replicas", type=int, default=1, help="of the monitor (default %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="of the API (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary as one flat JSON object")
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    if arguments.seconds is not None and not arguments.seconds > 0:
        raise SelfmisError("demo: --seconds (DEMO_SECONDS) must be above 0")
    if arguments.replicas < 1:
        raise SelfmisError("demo: --replicas must be at least 1")
    from deploy.demo.ward import watched  # noqa: PLC0415 - slow to import

    return watched(arguments)


def _seconds() -> float | None:
    text = os.environ.get(SECONDS_VARIABLE)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise SelfmisError(f"{SECONDS_VARIABLE}={text!r} is no number of seconds") from None


if __name__ == "__main__":
    raise SystemExit(run(main))
