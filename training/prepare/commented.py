"""Sets whose headers say in comments what a record shows: PTB Diagnostic, and the PhysioNet Challenges 2020/2021.

The listing knows patients and folds from the files' names; what a header says is read with the record, where the
work is spread. A record of which it is not known whether, or not in which of the nine places, there was an
infarction has no labels: it can be learnt from, but it is no record without an infarction.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.labels import NORMAL
from shared.wfdb import read_comments
from training.prepare.hashed_folds import fold_of
from training.prepare.listing import Layout, Listing, as_table
from training.prepare.tables import sex_of

PTBDB: Layout = "ptbdb"
CHALLENGE: Layout = "challenge"

# What PTB Diagnostic's headers call the nine places, with their misspellings; `antero-septo-lateral` and
# `postero-lateral` are none of the nine.
PLACES = {
    "inferior": "IMI",
    "antero-septal": "ASMI",
    "infero-lateral": "ILMI",
    "infero-latera": "ILMI",
    "anterior": "AMI",
    "antero-lateral": "ALMI",
    "lateral": "LMI",
    "later": "LMI",
    "infero-postero-lateral": "IPLMI",
    "infero-poster-lateral": "IPLMI",
    "infero-posterior": "IPMI",
    "posterior": "PMI",
}
_NOWHERE = ("", "no", "none", "n/a")

# SNOMED codes of infarctions whose place is one of the nine …
TYPES_BY_SNOMED = {
    "73795002": "IMI", "62695002": "ASMI", "65547006": "ILMI", "54329005": "AMI", "70211005": "ALMI",
    "58612006": "LMI", "76593002": "IPMI",
}  # fmt: skip
# … and of those that say no more than that there is, or was, one.
SOMEWHERE = frozenset({"164865005", "57054005", "164867002", "22298006", "1755008", "70422006", "304914007"})
# Other findings that PTB-XL knows, too; what is not here stays a number.
STATEMENTS_BY_SNOMED = {
    "426783006": "SR", "164889003": "AFIB", "164890007": "AFLT", "270492004": "1AVB", "195042002": "2AVB",
    "27885002": "3AVB", "164909002": "CLBBB", "733534002": "CLBBB", "251120003": "ILBBB", "59118001": "CRBBB",
    "713427006": "CRBBB", "713426002": "IRBBB", "445118002": "LAFB", "445211001": "LPFB", "427084000": "STACH",
    "426177001": "SBRAD", "427393009": "SARRH", "426761007": "SVTAC", "10370003": "PACE", "284470004": "PAC",
    "427172004": "PVC", "17338001": "PVC", "164873001": "LVH", "89792004": "RVH", "111975006": "LNGQT",
    "164917005": "QWAVE", "251146004": "LVOLT", "164930006": "STE_", "429622005": "STD_", "59931005": "INVT",
}  # fmt: skip
# CPSC 2018's records: their annotators chose among nine findings, none of which is an infarction.
_NEVER_ASKED = re.compile(r"A\d{4}$")
_NUMBER = re.compile(r"\d{1,3}(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Said:
    """What a header says. ``statements`` None: nothing is known about infarctions."""

    statements: Mapping[str, float] | None
    age: float | None
    sex: int | None


def layout_of(header: Path) -> Layout | None:
    """The set that a header's comments belong to, if it is one of these."""
    keys = _fields(read_comments(header))
    if "reason for admission" in keys:
        return PTBDB
    return CHALLENGE if "dx" in keys else None


def list_commented(folder: Path, name: str, layout: Layout, records: Sequence[str]) -> Listing:
    """Records of such a set. PTB Diagnostic's folders are its patients; the Challenges do not tell patients.

    Folds are hashed: see `training.prepare.hashed_folds`.
    """
    if layout == PTBDB:
        patients = [record.rpartition("/")[0].rpartition("/")[2] or record for record in records]
        folds = [fold_of(PTBDB, patient) for patient in patients]
        known: dict[str, Sequence[object]] = {"patient": [f"{name}:{patient}" for patient in patients]}
    else:
        folds = [fold_of(CHALLENGE, record.rpartition("/")[2]) for record in records]
        known = {}
    columns = {"record": records, "file": records, "row": [0] * len(records), "fold": folds, **known}
    return Listing(name, layout, folder, name, as_table(columns))


def said_in(layout: Layout, header: Path) -> Said:
    """What the header of one record says."""
    fields = _fields(read_comments(header))
    return Said(_READ[layout](fields, header.stem), _age(fields.get("age", "")), sex_of(fields.get("sex", "")))


def ptbdb_statements(fields: Mapping[str, str], _record: str = "") -> dict[str, float] | None:
    """Of PTB Diagnostic's comments; None where an infarction has no place, or one that is none of the nine."""
    reason = fields.get("reason for admission", "").lower()
    if reason in _NOWHERE:
        return None
    places = [
        place.strip()
        for key in ("acute infarction (localization)", "former infarction (localization)")
        for place in re.split(r"[,;+]| and ", fields.get(key, "").lower())
        if place.strip() not in _NOWHERE
    ]
    if any(place not in PLACES for place in places) or ("infarct" in reason and not places):
        return None
    if not places:
        return {NORMAL: 0.0} if reason == "healthy control" else {}
    return {PLACES[place]: 0.0 for place in places}


def challenge_statements(fields: Mapping[str, str], record: str = "") -> dict[str, float] | None:
    """Of a Challenge's diagnoses; None where there is an infarction somewhere, or nobody looked for one."""
    codes = [code for code in re.split(r"[\s,;]+", fields.get("dx", "")) if code]
    types = {TYPES_BY_SNOMED[code]: 0.0 for code in codes if code in TYPES_BY_SNOMED}
    if not types and (SOMEWHERE.intersection(codes) or _NEVER_ASKED.match(record)):
        return None
    others = {STATEMENTS_BY_SNOMED.get(code, code): 0.0 for code in codes if code not in TYPES_BY_SNOMED}
    return types | others


_READ: Mapping[str, Callable[[Mapping[str, str], str], dict[str, float] | None]] = {
    PTBDB: ptbdb_statements,
    CHALLENGE: challenge_statements,
}


def _fields(comments: Sequence[str]) -> dict[str, str]:
    """``key: value`` lines, keys in small letters; of two with one key the first."""
    fields: dict[str, str] = {}
    for line in comments:
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().lower(), value.strip())
    return fields


def _age(text: str) -> float | None:
    found = _NUMBER.fullmatch(text)
    return float(text) if found and 0 <= float(text) <= 130 else None
