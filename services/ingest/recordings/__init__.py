"""Replay of recordings: WFDB records, CSV and NumPy files become patients.

The way of the data: `opening` finds the files, `wfdb_record` (with `header` and `dat`),
`csv_file` or `npy_file` reads one each, `leads` picks the signal, `counts` brings it to
int16, `seam` makes it a loop, `tracks` reads frames of many patients out of it, `noise`
adds what was recorded of motion and muscle, and `replay` is the source made of it all.
"""
