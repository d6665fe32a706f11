"""A folder of WFDB records, with all folders below; what they show is unknown, or in a CSV given with it."""

from pathlib import Path

import pandas as pd

from training.prepare.listing import Listing, PrepareError, as_table
from training.prepare.tables import people, read_table


def list_plain(folder: Path, name: str, labels: Path | None, records: list[str]) -> Listing:
    """Every one of ``records``; with ``labels`` those that the CSV names have statements, fold and patient.

    The CSV has the columns ``record`` (the name below the folder, without suffix, or its last part where that is
    unique), ``scp_codes`` and ``strat_fold``; ``patient_id``, ``age`` and ``sex`` if known. Refuses a CSV of
    which no record is in the folder, and one that names a record twice.
    """
    table = as_table({"record": records, "file": records, "row": [0] * len(records)})
    if labels is None:
        return Listing(name, "wfdb", folder, name, table)
    known = read_table(labels, ("record", "scp_codes", "strat_fold"))
    columns = {"scp": known["scp_codes"], **people(known, labels)}
    columns["patient"] = f"{name}:" + columns["patient"]
    about = pd.DataFrame(columns).set_axis(_matched(known["record"].str.strip(), records, labels), axis=0)
    about = about[about.index.notna()].reindex(records)
    for column in about.columns:
        table[column] = about[column].to_numpy()
    return Listing(name, "wfdb", folder, name, table)


def _matched(names: pd.Series, records: list[str], labels: Path) -> list[str | None]:
    """The record that each row of the CSV means, None where it is not in the folder."""
    exact = set(records)
    last: dict[str, str | None] = {}
    for record in records:
        stem = record.rpartition("/")[2]
        last[stem] = None if stem in last else record
    matched = [name if name in exact else last.get(name) for name in names.str.removesuffix(".hea")]
    found = [record for record in matched if record is not None]
    if not found:
        raise PrepareError(
            f"{labels} names no record of the folder: {names.iloc[0]!r} is not among {records[0]!r}, …"
        )
    if len(set(found)) < len(found):
        twice = next(record for record in found if found.count(record) > 1)
        raise PrepareError(f"{labels} names record {twice} more than once")
    return matched
