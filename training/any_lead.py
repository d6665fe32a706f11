"""Taking one lead out of a student that learnt any lead."""

import dataclasses
from pathlib import Path

from shared.frames import LEADS
from training import runs
from training.methods.one_lead import for_lead
from training.runs import RunError


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
