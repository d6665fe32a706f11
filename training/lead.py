"""`selfmis lead`: the run of a student of any lead, for another lead than the one it was written for.

A student of any lead (`--with any_lead=yes`, `lead-masking`, `mae`) learns all leads at once and leaves the whole
beside its encoder. Nothing is trained here: the part that reads the wanted lead becomes a run of its own, to be
probed, evaluated and exported like any other.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser, run
from shared.frames import LEADS
from training import runs
from training.methods.one_lead import for_lead
from training.runs import RunError


def main(argv: Sequence[str]) -> int:
    """Write the run folder of another lead of a student that learnt any lead. Takes a second."""
    parser = Parser(prog="selfmis lead", description=main.__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of a student of any lead")
    parser.add_argument("--lead", required=True, choices=LEADS, help="that its encoder is to read")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new run folder")
    chosen = parser.parse_args(argv)
    write_lead(chosen.run, chosen.lead, chosen.out)
    print(f"{chosen.out}: lead {chosen.lead} of {chosen.run}")
    return DONE


def write_lead(source: Path, lead: str, out: Path) -> None:
    """Write ``out`` as if ``source`` had been trained for ``lead``; refuses a run that learnt one lead only."""
    if not (source / runs.ANY_LEAD).is_dir():
        raise RunError(f"run {source}: learnt one lead only; train it with `--with any_lead=yes`")
    if out.exists() and any(out.iterdir()):
        raise RunError(f"{out} is not empty: give another --out")
    whole = runs.load_encoder(source / runs.ANY_LEAD, leads=LEADS)
    config = runs.read_config(source) or {}
    runs.write_config(out, {**config, "plan": {**config.get("plan", {}), "lead": lead}, "part_of": source.name})
    record = dataclasses.replace(whole.record, leads=(lead,))
    runs.write_encoder(out, for_lead(whole.encoder, lead), record)
    if runs.has_head(source):
        head = runs.load_head(source)
        runs.write_head(out, head.head, head.outputs)
    runs.finish(out, {"part_of": source.name})


if __name__ == "__main__":
    raise SystemExit(run(main))
