"""Fetching PTB-XL from PhysioNet, by wfdb's own downloader, into PTB-XL's own layout.

First the tables, then the records that they name, so that nothing is asked for twice. What is there in full
size is not asked for again. A file that was cut short is fetched anew: wfdb would append to it, which goes wrong
with a server that does not send ranges (4.3).
"""

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

from training.prepare.defaults import PHYSIONET
from training.prepare.listing import PrepareError
from training.prepare.ptbxl import DATABASE
from training.prepare.tables import read_table
from training.progress import Progress

DATASET = "ptb-xl"
_TABLES = (DATABASE, "scp_statements.csv", "LICENSE.txt")
_COLUMN = {100: "filename_lr", 500: "filename_hr"}
_FILES_A_CALL = 400


def download(folder: Path, *, rate: int = 100, mirror: str = PHYSIONET, limit: int | None = None) -> int:
    """Fetch PTB-XL's tables and its records at ``rate`` (100 or 500 Hz) into ``folder``; gives how many files.

    ``mirror``: an address with PhysioNet's own paths (``content/ptb-xl/``, ``files/ptb-xl/VERSION/``).
    ``limit``: only the first so many records. About 0.9 GB and 44,000 requests for all records at 100 Hz.
    """
    with _wfdb_at(mirror):
        _fetch_tables(folder, mirror)
        table = read_table(folder / DATABASE, ("ecg_id", _COLUMN[rate]))
        records = table[_COLUMN[rate]].tolist()[:limit]
        files = [f"{record}{suffix}" for record in records for suffix in (".hea", ".dat")]
        for name in files:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise PrepareError(f"{folder / DATABASE} names {name}, which lies outside the data set")
        wanted = [name for name in files if not _complete(folder / name)]
        progress = Progress("download", len(files), "files")
        progress.advance(0, len(files) - len(wanted))
        for start in range(0, len(wanted), _FILES_A_CALL):
            some = wanted[start : start + _FILES_A_CALL]
            for name in some:
                (folder / name).unlink(missing_ok=True)
            _fetch(folder, some, mirror)
            progress.advance(len(some))
        progress.close()
    return len(wanted)


def _complete(path: Path) -> bool:
    """Whether a file needs no look at the server: a data file of full size, a header of all its lines."""
    try:
        if path.suffix == ".dat":
            seconds, rate = 10, 500 if path.stem.endswith("_hr") else 100
            return path.stat().st_size == 12 * 2 * seconds * rate
        return path.read_bytes().count(b"\n") >= 13
    except OSError:
        return False


def _fetch_tables(folder: Path, mirror: str) -> None:
    """The tables that are not there yet, each whole or not at all: unlike a record's, their size is not known."""
    missing = [name for name in _TABLES if not (folder / name).is_file()]
    arriving = folder / ".arriving"
    shutil.rmtree(arriving, ignore_errors=True)  # of a run that was killed
    _fetch(arriving, missing, mirror)
    for name in missing:
        (arriving / name).replace(folder / name)
    if missing:
        arriving.rmdir()


def _fetch(folder: Path, names: list[str], mirror: str) -> None:
    import wfdb  # noqa: PLC0415 - half a second

    if not names:
        return
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # wfdb prints as it goes; our progress says more
            wfdb.dl_files(DATASET, str(folder), names)
    except OSError as error:  # wfdb's network errors are OSErrors too
        why = error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
        raise PrepareError(
            f"cannot download {DATASET} from {mirror} into {folder}: {why}; run it again to go on"
        ) from None
    except IndexError:
        raise PrepareError(f"{mirror}content/{DATASET}/ names no version: is it a mirror of PhysioNet?") from None


@contextlib.contextmanager
def _wfdb_at(mirror: str) -> Iterator[None]:
    """wfdb pointed at another address: it has a setter for one of its two addresses only."""
    from wfdb.io import download as wfdb_download  # noqa: PLC0415 - slow to import

    if not mirror.startswith(("http://", "https://")) or not mirror.endswith("/"):
        raise PrepareError(f"--mirror {mirror}: write it as https://HOST/ with a slash at the end")
    content, files = wfdb_download.PN_CONTENT_URL, wfdb_download.config.db_index_url
    wfdb_download.set_db_index_url(f"{mirror}files/")
    wfdb_download.PN_CONTENT_URL = f"{mirror}content/"
    try:
        yield
    finally:
        wfdb_download.set_db_index_url(files)
        wfdb_download.PN_CONTENT_URL = content
