"""Folds for sets that bring none: by a hash of the patient, so that they never change and no patient is in two."""

import hashlib

FOLDS = 10


def fold_of(collection: str, patient: str) -> int:
    """The fold, 1 to 10, of a patient of a collection: SHA-256 of ``COLLECTION:PATIENT``, 8 bytes, modulo 10.

    The same on every machine and for every part of the set; every fold has about a tenth of the patients.

    >>> fold_of("ptbdb", "patient001")
    6
    """
    digest = hashlib.sha256(f"{collection}:{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % FOLDS + 1
