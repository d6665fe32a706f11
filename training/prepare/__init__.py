"""Recordings → a store (`selfmis prepare`).

``tables`` reads what is known about records; ``ptbxl``, ``normalised``, ``commented`` (PTB Diagnostic, Challenges)
``mimic``, ``hdf5`` and ``plain`` list the records of a source, ``hashed_folds`` gives folds where it has none,
``plan`` cuts the lists into parts, ``part`` makes one part (``wfdb_leads`` and ``cut`` read and cut a record),
``spread`` makes many at once, ``run`` puts them together.
"""
