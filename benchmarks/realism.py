"""`selfmis bench realism`: do simulated recordings look like real ones? Wave by wave, kind by kind, by one ruler.

Both sides are 12-lead, 100 Hz, 10 s, and are measured by `benchmarks.morphology`. Of the real records only
those with one of our kinds alone are taken. *Inside* means that the simulated median lies between the real
quartiles; *KS* is the Kolmogorov-Smirnov distance of the two distributions (0 equal, 1 disjoint). No model has
a say in this.
"""

import ast
import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.report import Figures, json_argument, present
from services.ingest.synthetic import case, simulate_12
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.labels import MI_CODES, NORMAL

# Early repolarisation and tachycardia are normal records in PTB-XL, PVC's median beat is a normal one.
COMPARED: tuple[str, ...] = (NORMAL, *MI_CODES, "AFIB", "CLBBB", "CRBBB", "LVH", "PACE")
INTERVALS = ("rr_s", "pr_s", "qrs_s", "qt_s")
MEASURES: tuple[str, ...] = (
    *INTERVALS,
    *(f"{wave}_{lead}" for lead in ("I", "II", "V2", "V5") for wave in ("p", "q", "r", "s", "st60", "t")),
    *(f"{wave}_{lead}" for lead in ("III", "AVL", "V1", "V3", "V6") for wave in ("q", "r", "st60", "t")),
)
FEWEST = 8
RATE = 100
SECONDS = 10

Measured = list[dict[str, float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of one kind: quartiles of both sides (seconds or millivolts) and how far they are apart."""

    kind: str
    measure: str
    real_n: int
    real_q1: float
    real_median: float
    real_q3: float
    simulated_q1: float
    simulated_median: float
    simulated_q3: float
    ks: float
    inside: bool


def kind_of(codes: Iterable[str]) -> str | None:
    """The kind that these SCP statements show alone; None for none or several."""
    held = set(codes)
    ours = [kind for kind in COMPARED if kind in held and kind != NORMAL]
    if len(ours) == 1:
        return ours[0]
    return NORMAL if not ours and NORMAL in held else None


def real_records(folder: Path, per_kind: int) -> Iterator[tuple[str, Path]]:
    """Kind and path (without ending) of up to ``per_kind`` records of each kind, in the table's order."""
    path = folder / "ptbxl_database.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["scp_codes"], row["filename_lr"]) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError) as error:
        raise SelfmisError(f"{path} cannot be read as PTB-XL's table: {error}") from None
    taken: dict[str, int] = {}
    for codes, name in rows:
        kind = kind_of(ast.literal_eval(codes))
        if kind is not None and taken.get(kind, 0) < per_kind:
            taken[kind] = taken.get(kind, 0) + 1
            yield kind, folder / name


def compare(kind: str, real: Measured, simulated: Measured) -> list[Comparison]:
    """One `Comparison` per measure that both sides have at least `FEWEST` values of."""
    out = []
    for name in MEASURES:
        a, b = _column(real, name), _column(simulated, name)
        if min(a.size, b.size) < FEWEST:
            continue
        qa, qb = _quartiles(a), _quartiles(b)
        ks = _kolmogorov_smirnov(a, b)
        out.append(Comparison(kind, name, a.size, *qa, *qb, ks, inside=qa[0] <= qb[1] <= qa[2]))
    return out


def _column(rows: Measured, name: str) -> npt.NDArray[np.float64]:
    x = np.array([row[name] for row in rows], np.float64)
    return np.asarray(x[np.isfinite(x)], np.float64)


def _quartiles(x: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(x, (0.25, 0.5, 0.75)).tolist()
    return low, middle, high


def summary(rows: Sequence[Comparison]) -> dict[str, float | int]:
    """Per kind: real records, measures, share of simulated medians inside the real quartiles, median KS."""
    out: dict[str, float | int] = {}
    for kind in COMPARED:
        of = [row for row in rows if row.kind == kind]
        if of:
            out[f"{kind}_real_records"] = max(row.real_n for row in of)
            out[f"{kind}_measures"] = len(of)
            out[f"{kind}_inside"] = sum(row.inside for row in of) / len(of)
            out[f"{kind}_median_ks"] = float(np.median([row.ks for row in of]))
    return out


def main(argv: Sequence[str]) -> int:
    """Measure both sides and print what differs; returns 0."""
    parser = Parser(prog="selfmis bench realism", description="Simulated against real recordings, wave by wave.")
    parser.add_argument("--ptbxl", type=Path, required=True, metavar="DIR", help="PTB-XL, or a part of it")
    parser.add_argument(
        "--per-kind", type=int, default=300, metavar="N", help="records of each kind (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="which simulated people (%(default)s)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write every measure of every kind")
    json_argument(parser)
    chosen = parser.parse_args(argv)
    if chosen.per_kind < FEWEST:
        raise SelfmisError(f"--per-kind {chosen.per_kind}: at least {FEWEST}")
    from benchmarks.morphology import LEADS  # noqa: PLC0415 - brings SciPy, a second that `--help` need not wait for

    console = Console(stderr=True)
    real: dict[str, Measured] = {}
    for kind, path in track(list(real_records(chosen.ptbxl, chosen.per_kind)), "real", console=console):
        _keep(real.setdefault(kind, []), *_read(path))
    rows = []
    for kind in track(
        [kind for kind in COMPARED if len(real.get(kind, ())) >= FEWEST], "simulated", console=console
    ):
        simulated: Measured = []
        for patient in range(chosen.per_kind):
            x = simulate_12(case(kind, chosen.seed, patient, rate_mhz=RATE * 1000), 0, SECONDS * RATE)
            _keep(simulated, x.astype(np.float64), LEADS)
        rows += compare(kind, real[kind], simulated)
    if not rows:
        raise SelfmisError(f"{chosen.ptbxl} has fewer than {FEWEST} measurable records of every kind")
    _print(rows, Console(stderr=chosen.json == "-"))
    if chosen.csv is not None:
        _write(rows, chosen.csv)
    figures: Figures = summary(rows)
    present("realism: share of simulated medians inside the real quartiles", figures, chosen.json)
    return 0


def _kolmogorov_smirnov(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """The largest distance between the two cumulative distributions."""
    both = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(side), both, side="right") / side.size for side in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _read(path: Path) -> tuple[npt.NDArray[np.float64], Sequence[str]]:
    import wfdb  # noqa: PLC0415 - brings pandas, a second that `--help` need not wait for

    try:
        record = wfdb.rdrecord(str(path))
    except (OSError, ValueError) as error:
        raise SelfmisError(f"{path}: cannot be read: {error}") from None
    return record.p_signal.T, record.sig_name


def _keep(into: Measured, x: npt.NDArray[np.float64], names: Sequence[str]) -> None:
    from benchmarks.morphology import measure  # noqa: PLC0415 - brings SciPy, likewise

    ruler = measure(x, RATE, names)
    if ruler is not None:
        into.append(ruler.values())


def _print(rows: Sequence[Comparison], console: Console) -> None:
    headings = ("kind", "measure", "real q1 median q3", "simulated q1 median q3", "KS", "")
    table = Table(*headings, title="ms and µV", box=box.SIMPLE_HEAD, title_justify="left")
    for row in rows:
        values = [row.real_q1, row.real_median, row.real_q3]
        other = [row.simulated_q1, row.simulated_median, row.simulated_q3]
        shown = [" ".join(f"{1000 * v:6.0f}" for v in side) for side in (values, other)]
        table.add_row(row.kind, row.measure, *shown, f"{row.ks:.2f}", "" if row.inside else "outside")
    console.print(table)


def _write(rows: Sequence[Comparison], path: Path) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow([field.name for field in fields(Comparison)])
            table.writerows(astuple(row) for row in rows)
    except OSError as error:
        raise SelfmisError(f"cannot write {path}: {error.strerror}") from None


if __name__ == "__main__":
    raise SystemExit(run(main))
