"""PTB-XL records that survive only band-passed and as z-scores: `records.npz` beside a table like PTB-XL's."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from shared.frames import LEADS
from training.prepare.listing import PTBXL, Listing, PrepareError, as_table
from training.prepare.ptbxl import DATABASE
from training.prepare.tables import people, read_table
from training.store import SAMPLES

RECORDS = "records.npz"
Z_PER_COUNT = 0.001
_ROW = len(LEADS) * SAMPLES


def list_normalised(folder: Path, name: str) -> Listing:
    """The records of the table, each with its row in the array; they are of the collection that PTB-XL is."""
    path = folder / DATABASE
    table = read_table(path, ("ecg_id", "scp_codes", "strat_fold"))
    row = {str(number): i for i, number in enumerate(_numbers(folder / RECORDS))}
    known = people(table, path)
    known["patient"] = f"{PTBXL}:" + known["patient"]
    record = table["ecg_id"].str.strip()
    rows = record.map(row)
    files = rows.notna().map({True: RECORDS, False: ""})
    known |= {"record": record, "file": files, "row": rows.fillna(-1).astype(int), "scp": table["scp_codes"]}
    return Listing(name, "ptbxl-normalised", folder, PTBXL, as_table(known))


def read_rows(path: Path, rows: Sequence[int]) -> npt.NDArray[np.int16]:
    """Some records (n × 12 × 1000, z × 1000), reading past the others: memory is that of the rows asked for."""
    out = np.empty((len(rows), len(LEADS), SAMPLES), np.int16)
    try:
        with zipfile.ZipFile(path) as archive, archive.open("x.npy") as file:
            shape, dtype = _header(file, path)
            if shape[1:] != (len(LEADS), SAMPLES) or dtype != np.dtype("<i2"):
                raise PrepareError(f"{path}: x is {dtype} {shape}, not int16 (n, {len(LEADS)}, {SAMPLES})")
            start = file.tell()
            for k in np.argsort(rows).tolist():
                file.seek(start + rows[k] * _ROW * 2)
                out[k] = np.frombuffer(file.read(_ROW * 2), "<i2").reshape(len(LEADS), SAMPLES)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PrepareError(f"{path} cannot be read: {error}") from None
    return out


def _numbers(path: Path) -> list[int]:
    try:
        with np.load(path) as archive:
            return [int(number) for number in archive["ecg_id"]]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PrepareError(f"{path} cannot be read: {error}") from None


def _header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if fortran:
        raise PrepareError(f"{path}: x is stored column by column; save it in C order")
    return shape, dtype
