"""`selfmis lead`: the run of a student of any lead, for another lead than the one it was written for.

A student of any lead (`--with any_lead=yes`, `lead-masking`, `mae`) learns all leads at once and leaves the whole
beside its encoder. Nothing is trained here: the part that reads the wanted lead becomes a run of its own, to be
probed, evaluated and exported like any other.
"""

from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser, run
from shared.frames import LEADS


def main(argv: Sequence[str]) -> int:
    """Write the run folder of another lead of a student that learnt any lead. Takes a second."""
    parser = Parser(prog="selfmis lead", description=main.__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of a student of any lead")
    parser.add_argument("--lead", required=True, choices=LEADS, help="that its encoder is to read")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new run folder")
    chosen = parser.parse_args(argv)
    from training.any_lead import write_lead  # noqa: PLC0415 - slow to import

    write_lead(chosen.run, chosen.lead, chosen.out)
    print(f"{chosen.out}: lead {chosen.lead} of {chosen.run}")
    return DONE


if __name__ == "__main__":
    raise SystemExit(run(main))
