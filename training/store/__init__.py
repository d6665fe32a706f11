"""The store: prepared recordings on disk, ten seconds each, in the form that trains fast.

`training.store.layout` says what a store looks like, `write` makes one, `read` opens it.
"""

from training.store.layout import SAMPLES, Segment, StoreError, bits_of, leads_of
from training.store.read import Store
from training.store.write import Part, Source, finish, read_part, write_part

__all__ = [
    "SAMPLES",
    "Part",
    "Segment",
    "Source",
    "Store",
    "StoreError",
    "bits_of",
    "finish",
    "leads_of",
    "read_part",
    "write_part",
]
