"""Opening a file or a folder of recordings: what can be streamed, and one line for each that cannot."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from services.ingest.recordings.columns import Own
from services.ingest.recordings.leads import Wanted, wanted
from services.ingest.recordings.recording import Opened, Recording
from services.ingest.recordings.wfdb_record import read_record, segment_files
from shared.wfdb import RecordingError, may_have_segments, read_header

Kind = Literal["wfdb", "csv", "npy"]
SUFFIXES: dict[Kind, str] = {"wfdb": ".hea", "csv": ".csv", "npy": ".npy"}
# One patient of a file: what to write before the complaint about it, and a function that reads it.
Reading = tuple[str, Callable[[], Recording]]


def open_recordings(
    path: Path,
    *,
    lead: str,
    stands_for: str | None = None,
    kind: Kind | None = None,
    own: Own | None = None,
    limit: int | None = None,
) -> Opened:
    """Read one lead of every recording in ``path``: a file, or a folder with all folders below, in order of name.

    ``lead``: its name, see `leads`; ``stands_for``: the standard lead it stands for, where
    its name does not say. ``kind``: what to look for in a folder; None finds out.
    ``own``: how to read CSV and NumPy files. ``limit``: stop after so many usable
    recordings. Costs about half a millisecond for ten seconds of one lead among twelve.

    A file that cannot be used is one line in ``problems``, which names it. Raises
    `RecordingError` where nothing is usable, or what was asked for makes no sense.
    """
    wish = wanted(lead, stands_for)
    recordings: list[Recording] = []
    problems: list[str] = []
    for file, name, which in _files(path, kind):
        if limit is not None and len(recordings) >= limit:
            break
        try:
            for row, read in _readings(file, name, which, wish, own or Own()):
                try:
                    recordings.append(read())
                except (RecordingError, OSError) as error:
                    problems.append(f"{_shown(file)}: {row}{_why(error)}")
        except (RecordingError, OSError) as error:
            problems.append(f"{_shown(file)}: {_why(error)}")
    if not recordings:
        first = f": {problems[0]}" if problems else ""
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise RecordingError(f"no usable recording in {_shown(path)}{first}{more}")
    return Opened(tuple(recordings[:limit]), tuple(problems))


def _readings(file: Path, name: str, kind: Kind, wish: Wanted, own: Own) -> Iterator[Reading]:
    # pandas takes half a second to import, which WFDB records do not need.
    if kind == "csv":
        from services.ingest.recordings.csv_file import read_csv  # noqa: PLC0415 - as above

        return iter([("", lambda: read_csv(file, name, wish, own))])
    if kind == "npy":
        from services.ingest.recordings.npy_file import read_npy  # noqa: PLC0415 - as above

        return read_npy(file, name, wish, own)
    return iter([("", lambda: read_record(file, name, wish))])


def _files(path: Path, kind: Kind | None) -> Iterator[tuple[Path, str, Kind]]:
    """The files to read, each with a name for its recording and what it is."""
    if path.is_dir():
        kind = kind or _kind_of(path)
        found = sorted(path.rglob(f"*{SUFFIXES[kind]}"))
        found = [file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts)]
        if not found:
            raise RecordingError(f"no {SUFFIXES[kind]} file in {_shown(path)} or below")
        parts = _segments_among(found) if kind == "wfdb" else frozenset()
        for file in found:
            if file not in parts:
                yield file, _clean("/".join(file.relative_to(path).with_suffix("").parts)), kind
        return
    file = path
    if not file.is_file() or file.suffix.lower() in {".dat", ".mat"}:
        # A WFDB record is named without a suffix; people also point at its data file.
        file = path.with_suffix(".hea") if path.suffix.lower() in {".dat", ".mat"} else Path(f"{path}.hea")
    if not file.is_file():
        raise RecordingError(f"{_shown(path)} does not exist")
    known = {suffix: which for which, suffix in SUFFIXES.items()}.get(file.suffix.lower())
    if known is None or (kind is not None and known != kind):
        raise RecordingError(
            f"{_shown(path)} is no {kind or 'WFDB, CSV or NumPy'} file: {', '.join(SUFFIXES.values())}"
        )
    yield file, _clean(file.stem), known


def _kind_of(folder: Path) -> Kind:
    """What a folder holds: WFDB records if any, for they come with tables about them; else the one kind."""
    if next(folder.rglob("*.hea"), None) is not None:
        return "wfdb"
    there: list[Kind] = [kind for kind, suffix in SUFFIXES.items() if next(folder.rglob(f"*{suffix}"), None)]
    if len(there) > 1:
        raise RecordingError(f"{_shown(folder)} holds CSV and NumPy files: say which to read")
    if not there:
        raise RecordingError(f"no recording in {_shown(folder)} or below: {', '.join(SUFFIXES.values())} are read")
    return there[0]


def _segments_among(headers: list[Path]) -> frozenset[Path]:
    parts: set[Path] = set()
    for path in headers:
        try:
            if may_have_segments(path):
                parts.update(segment_files(path, read_header(path)))
        except (RecordingError, OSError):
            continue  # said when it is read
    return frozenset(parts)


def _why(error: RecordingError | OSError) -> str:
    return (
        f"cannot be read: {error.strerror or type(error).__name__}" if isinstance(error, OSError) else str(error)
    )


def _shown(path: Path) -> str:
    """A path on one line that any terminal and log can take, whatever bytes its name has."""
    return _clean(str(path))


def _clean(name: str) -> str:
    readable = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in readable)
