"""Recordings that people bring: to stream (WFDB, CSV, NumPy), and to score (`POST /api/score`)."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.fuzz.bend import WORDS, bent_bytes, bent_json, bent_text
from benchmarks.fuzz.door import Way
from benchmarks.fuzz.judge import Wrong
from benchmarks.fuzz.parts import chosen, join, split
from services.inference.api.score_route import CSV, ZIP, recording
from services.ingest.recordings.columns import Own
from services.ingest.recordings.opening import Kind, open_recordings

MOST_BYTES = 1 << 20
_HEADER_WORDS = (
    b"212", b"16", b"8", b"80", b"310", b"311", b"24", b"32", b"61", b"160", b"508", b"516", b"16x3", b"16:9",
    b"16+100", b"16x0", b"200/mV", b"0", b"-5/mV", b"1e-30/uV", b"1e30/V", b"200(99999999999)/mV", b"~", b"-",
    b"../rec.dat", b"other.dat", b"360/180(10)", b".5", b"1e9", b"999999999", b"100000000000", b"rec/3", b"rec",
    b"II", b"MLII", b"#", b"# age: 5",
)  # fmt: skip


def wave(samples: int, chance: Random) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Something that moves as an ECG does: millivolts."""
    time = np.arange(samples) / 100
    return np.round(np.sin(2 * np.pi * chance.uniform(0.8, 1.8) * time) ** 9 + 0.05 * np.sin(40 * time), 4)


def a_record(chance: Random) -> dict[str, bytes]:
    """A WFDB record of one or two leads, or of two segments."""
    leads = chance.choice((1, 2))
    form, width = chance.choice((("16", 2), ("61", 2), ("160", 2), ("80", 1), ("24", 3), ("32", 4)))
    samples = chance.choice((250, 400))
    dat = _packed(np.column_stack([wave(samples, chance) * 100] * leads).ravel(), form, width)
    lines = [f"rec {leads} 100 {samples}"]
    lines += [f"rec.dat {form} 100/mV 8 0 0 0 0 {lead}" for lead in ("I", "II")[:leads]]
    if chance.random() < 0.2:
        header = f"both/2 {leads} 100 {2 * samples}\nrec {samples}\nrec {samples}\n"
        return {"both.hea": header.encode(), "rec.hea": "\n".join(lines).encode(), "rec.dat": dat}
    return {"rec.hea": ("\n".join([*lines, "# somebody"]) + "\n").encode(), "rec.dat": dat}


def _packed(values: "np.ndarray[tuple[int], np.dtype[np.float64]]", form: str, width: int) -> bytes:
    whole = np.rint(values).astype(np.int64)
    if form == "61":
        return whole.astype(">i2").tobytes()
    if form == "160":
        return (whole + 32768).astype("<u2").tobytes()
    if form == "80":
        return (whole + 128).astype("u1").tobytes()
    raw = whole.astype("<i4").tobytes()
    return raw if width == 4 else b"".join(raw[4 * k : 4 * k + width] for k in range(len(whole)))


def _bent_record(parts: dict[str, bytes], chance: Random) -> dict[str, bytes]:
    name = chosen(parts, chance)
    if not name:
        return a_record(chance)
    if name.endswith(".hea"):
        parts[name] = bent_text(parts[name], chance, _HEADER_WORDS + WORDS)
    else:
        parts[name] = bent_bytes(parts[name], chance)
    if chance.random() < 0.02:
        del parts[name]
    return parts


def _lay(folder: Path, parts: dict[str, bytes], known: tuple[str, ...]) -> None:
    """These files and none of the other known ones."""
    for name in known:
        if name in parts:
            (folder / name).write_bytes(parts[name])
        else:
            (folder / name).unlink(missing_ok=True)


def _opened(path: Path, kind: Kind, own: Own | None = None) -> None:
    found = open_recordings(path, lead="I", kind=kind, own=own)
    for problem in found.problems:
        if len(problem.splitlines()) != 1 or not problem.isprintable():
            raise Wrong(f"a problem is no line: {problem!r}")
    for recording_ in found.recordings:
        if recording_.counts.dtype != np.int16 or not recording_.uv_per_lsb > 0 or recording_.seconds < 2:
            raise Wrong("what was opened is no recording")


@contextmanager
def wfdb(folder: Path) -> Iterator[Way]:
    """A folder with a record: header, signal file, perhaps segments."""
    known = ("rec.hea", "rec.dat", "both.hea")

    def enter(case: bytes) -> None:
        _lay(folder, split(case), known)
        _opened(folder, "wfdb")

    yield Way(
        lambda chance: join(a_record(chance)),
        lambda case, chance: join(_bent_record(split(case), chance)),
        enter,
    )


def _a_table(chance: Random) -> bytes:
    separator, mark = chance.choice(((",", "."), (";", ","), ("\t", "."), (";", ".")))
    clock = chance.choice(("time [ms]", "t_s", "timestamp", ""))
    rows = [separator.join([clock, "ecg [mV]"] if clock else ["ecg [mV]"])]
    for k, value in enumerate(wave(300, chance).tolist()):
        when = {"time [ms]": f"{10 * k}", "t_s": f"{k / 100}", "timestamp": f"2026-01-31T12:00:{k / 100:06.3f}Z"}
        said = f"{value:.4f}".replace(".", mark)
        rows.append(separator.join([when[clock].replace(".", mark), said] if clock else [said]))
    return "\n".join(rows).encode()


@contextmanager
def csv(folder: Path) -> Iterator[Way]:
    """A CSV file of one patient, with a heading and perhaps times."""
    file = folder / "mine.csv"

    def enter(case: bytes) -> None:
        file.write_bytes(case)
        _opened(file, "csv")

    yield Way(_a_table, bent_text, enter, always=False)  # without times the rate is asked for


@contextmanager
def npy(folder: Path) -> Iterator[Way]:
    """A NumPy file of one or two patients."""
    file = folder / "mine.npy"

    def valid(chance: Random) -> bytes:
        values = wave(300, chance)
        made = chance.choice((values, np.stack([values, -values]), (values * 1000).astype(np.int32)))
        raw = io.BytesIO()
        np.save(raw, made, allow_pickle=False)
        return raw.getvalue()

    def bend(case: bytes, chance: Random) -> bytes:
        if chance.random() < 0.5:
            return bent_text(case[:128], chance) + case[128:]
        return bent_bytes(case, chance)

    def enter(case: bytes) -> None:
        file.write_bytes(case)
        _opened(file, "npy", Own(units="uV", rate_hz=100))

    yield Way(valid, bend, enter, always=False)  # fractions of a microvolt are no ECG


@contextmanager
def upload(_folder: Path) -> Iterator[Way]:
    """`services.inference.api.uploads`: what `POST /api/score` makes of a body and its query."""

    def valid(chance: Random) -> bytes:
        how = chance.randrange(3)
        query = {"rate_hz": b"100", "unit": b"mV", "column": b"", "lead": b"I"}
        if how == 0:
            body = json.dumps({"rate_hz": 100, "millivolts": [*wave(300, chance).tolist(), None]}).encode()
            return join({"application/json": body, **query})
        if how == 1:
            return join({CSV: "\n".join(map(str, wave(300, chance).tolist())).encode(), **query})
        parts = a_record(chance)
        while "both.hea" in parts:
            parts = a_record(chance)
        return join({ZIP: zipped(parts), **query})

    def bend(case: bytes, chance: Random) -> bytes:
        parts = split(case)
        name = chosen(parts, chance) if chance.random() < 0.2 else next(iter(parts), "")
        if name == "application/json":
            parts[name] = bent_json(parts[name], chance)
        elif name == ZIP and chance.random() < 0.6:
            parts[name] = _rezipped(parts[name], chance)
        elif name:
            parts[name] = bent_text(parts[name], chance)
        return join(parts)

    def enter(case: bytes) -> None:
        parts = split(case)
        kind = next(iter(parts), "")
        try:
            rate = float(parts.get("rate_hz", b"100"))
        except ValueError:
            rate = 100.0
        words = {name: parts.get(name, b"").decode("latin-1") for name in ("unit", "column", "lead")}
        # What FastAPI lets through: rates of 50 to 1000 Hz, and one of the twelve leads.
        query = {"rate_hz": min(1000.0, max(50.0, rate)), **words, "lead": words["lead"] or "I"}
        recording(kind, parts.get(kind, b"")[:MOST_BYTES], query, MOST_BYTES)

    yield Way(valid, bend, enter)


def zipped(parts: dict[str, bytes]) -> bytes:
    """An archive of these files."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(zipfile.ZipInfo(name), body)
    return raw.getvalue()


def _rezipped(case: bytes, chance: Random) -> bytes:
    """A good archive of bent files, or of files with odd names."""
    try:
        with zipfile.ZipFile(io.BytesIO(case)) as archive:
            parts = {info.filename: archive.read(info) for info in archive.infolist()}
        parts = _bent_record(parts, chance)
        if chance.random() < 0.1:
            odd = chance.choice(("../x.hea", "a/b.hea", "/etc/x.hea", "x\x00.hea", ".", "\\", "é" * 90, "rec.HEA"))
            parts[odd] = parts.pop(chosen(parts, chance), b"")
        return zipped(parts)
    except Exception:  # noqa: BLE001 - zipfile's, zlib's and struct's own; what matters is what the door says to it
        return bent_bytes(case, chance)
