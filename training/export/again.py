"""`selfmis export again MODEL`: the graph of a model folder made anew from its own weights, by this version.

For a folder that an earlier version wrote, whose graph does the same in more time, and to add a figure that was
measured since. The model stays the model: weights, calibration, thresholds, golden windows and what was found out
about it are taken over, and its golden windows must score as they did.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser, run


def main(argv: Sequence[str]) -> int:
    """Write MODEL again into another folder, its graph made anew from its weights.

    Refused where a golden window then scores otherwise than the folder says, by more than 1e-5.
    """
    chosen = arguments(argv)
    from training.export.renewal import again  # noqa: PLC0415 - slow to import

    manifest = again(chosen.model, chosen.out, chosen.precision)
    print(f"{chosen.out}: {manifest.name} {manifest.version}, lead {manifest.lead}, {manifest.sha256[:12]}")
    return DONE


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(prog="selfmis export again", description=main.__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="model folder to write")
    parser.add_argument(
        "--precision",
        type=Path,
        metavar="FILE",
        help="precision.json of `selfmis model precision` of this very model",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(run(main))
