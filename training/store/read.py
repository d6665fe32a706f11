"""Reading a store: its table in memory, its samples mapped, everything by row number.

>>> store = Store(Path("var/store"))                            # doctest: +SKIP
>>> rows = store.select(folds=range(1, 9), labelled=True, leads=("I",))  # doctest: +SKIP
>>> store.signals(rows[:64]).shape                              # doctest: +SKIP
(64, 1, 1000)
"""

import json
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared.frames import LEADS
from shared.labels import SCORE_NAMES
from training.store.layout import FORMAT, MANIFEST, RATE_HZ, SAMPLES, StoreError, bits_of, leads_of, schema

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Store:
    """An opened store; row i everywhere is row i of `table`.

    Opening reads the manifest and the tables (some hundred bytes a row), never the samples. Cheap to pickle: what
    travels is the path. Refuses (`StoreError`) a folder without a finished store, or one of another format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest = _manifest(self.path)
        self._parts = [part for part in self.manifest["parts"] if part["segments"]]
        self._first = np.cumsum([0, *(part["segments"] for part in self._parts)])
        self._maps: dict[int, npt.NDArray[np.int16]] = {}
        self.table: Any = self._read_table()
        """All columns of `training.store.layout.schema`, as a pyarrow Table."""

    def __reduce__(self) -> tuple[type["Store"], tuple[Path]]:
        return Store, (self.path,)

    def __len__(self) -> int:
        return int(self._first[-1])

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {len(self)} segments)"

    def signals(self, rows: npt.ArrayLike, leads: Sequence[str] = ("I",)) -> Floats:
        """Samples (n × leads × 1000, float32): millivolts, or z-scores where `units` says ``z``.

        Refuses a row that lacks one of the leads (`select` finds those that have them). Only the pages of the
        wanted leads are read; within a process the maps stay open.
        """
        rows = self._rows(rows)
        wanted = np.array([LEADS.index(lead) for lead in leads if bits_of([lead])])
        self._refuse_missing(rows, leads)
        out = np.empty((len(rows), len(wanted), SAMPLES), np.float32)
        parts = np.searchsorted(self._first, rows, side="right") - 1
        order = np.argsort(parts, kind="stable")
        numbers, starts = np.unique(parts[order], return_index=True)
        ends = [*starts[1:].tolist(), len(rows)]
        for number, start, end in zip(numbers.tolist(), starts.tolist(), ends[: len(numbers)], strict=True):
            at = order[start:end]
            local = rows[at] - self._first[number]
            out[at] = self._samples(number)[local[:, None], wanted]
        out *= self.scale[rows, None, None]
        return out

    def labels(self, rows: npt.ArrayLike | None = None) -> Floats:
        """The ten labels (n × `SCORE_NAMES`), 0 or 1; NaN where nothing is known of a row."""
        return self._labels if rows is None else self._labels[self._rows(rows)]

    def statements(self, codes: Sequence[str], rows: npt.ArrayLike | None = None) -> Floats:
        """Which statements each row has (n × codes), 1 whatever the likelihood; NaN where nothing is known."""
        owner, code = self._statement_pairs
        position = pc.index_in(code, value_set=pa.array(list(codes), pa.string()))
        known = position.is_valid().to_numpy(zero_copy_only=False)
        out = np.zeros((len(self), len(codes)), np.float32)
        out[owner[known], position.drop_null().to_numpy()] = 1
        out[~self.labelled] = np.nan
        return out if rows is None else out[self._rows(rows)]

    def statement_counts(self, rows: npt.ArrayLike | None = None) -> dict[str, int]:
        """How many rows have each statement, most frequent first."""
        owner, code = self._statement_pairs
        if rows is not None:
            code = code.filter(pa.array(np.isin(owner, self._rows(rows))))
        counted = {entry["values"]: entry["counts"] for entry in code.value_counts().to_pylist()}
        return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

    def select(
        self,
        *,
        folds: Collection[int] | None = None,
        sources: Collection[str] | None = None,
        labelled: bool | None = None,
        leads: Sequence[str] = (),
        units: str | None = None,
    ) -> Rows:
        """The rows that meet every condition given, ascending. Refuses a source the store does not have."""
        keep = np.ones(len(self), np.bool_)
        if folds is not None:
            keep &= np.isin(self.folds, list(folds))
        if sources is not None:
            known = self.source_names
            if unknown := set(sources) - set(known):
                raise StoreError(f"{self.path} has no source {min(unknown)!r}: it has {', '.join(known)}")
            keep &= np.isin(self.sources, [known.index(source) for source in sources])
        if labelled is not None:
            keep &= self.labelled == labelled
        if leads:
            mask = bits_of(leads)
            keep &= self.leads & mask == mask
        if units is not None:
            keep &= self.units == units
        return np.flatnonzero(keep).astype(np.int64)

    @cached_property
    def folds(self) -> npt.NDArray[np.int16]:
        """The fold of each row; 0 where it is in none."""
        return self._numbers("fold", np.int16)

    @cached_property
    def patients(self) -> npt.NDArray[np.int64]:
        """A number for each patient; rows of unknown patients have one each of their own."""
        coded = self._column("patient").dictionary_encode()
        codes: Rows = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        alone = codes < 0
        codes[alone] = len(coded.dictionary) + np.arange(alone.sum())
        return codes

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        """The sources that have at least one row, in order of appearance."""
        return tuple(self._column("source").unique().to_pylist())

    @cached_property
    def sources(self) -> npt.NDArray[np.int64]:
        """For each row the position of its source in `source_names`."""
        found = pc.index_in(self._column("source"), value_set=pa.array(self.source_names, pa.string()))
        positions: Rows = found.to_numpy().astype(np.int64)
        return positions

    @cached_property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Whether anything is known of each row; an empty list of statements is knowledge."""
        known: npt.NDArray[np.bool_] = self._column("statements").is_valid().to_numpy(zero_copy_only=False)
        return known

    @cached_property
    def leads(self) -> npt.NDArray[np.int16]:
        """The mask of present leads of each row; see `leads_of`."""
        return self._numbers("leads", np.int16)

    @cached_property
    def units(self) -> npt.NDArray[np.str_]:
        """``mv`` or ``z`` for each row."""
        return np.array(self._column("units").to_pylist(), np.str_)

    @cached_property
    def scale(self) -> Floats:
        """What one count of each row is worth, in its units."""
        return self._numbers("scale", np.float32)

    @cached_property
    def _labels(self) -> Floats:
        out = np.empty((len(self), len(SCORE_NAMES)), np.float32)
        for i, name in enumerate(SCORE_NAMES):
            out[:, i] = self._column(name).cast(pa.float32()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        out.flags.writeable = False
        return out

    @cached_property
    def _statement_pairs(self) -> tuple[Rows, Any]:
        """Row and code of every statement in the store."""
        column = self._column("statements")
        lists = column.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.float32())])))
        owner = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
        return owner, pc.list_flatten(lists).field("key")

    def _column(self, name: str) -> Any:
        return self.table.column(name).combine_chunks()

    def _numbers(self, name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        numbers: npt.NDArray[Any] = self._column(name).fill_null(0).to_numpy(zero_copy_only=False).astype(dtype)
        numbers.flags.writeable = False
        return numbers

    def _rows(self, rows: npt.ArrayLike) -> Rows:
        numbers = np.asarray(rows)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise StoreError(f"rows must be a list of row numbers, not {numbers.dtype} of shape {numbers.shape}")
        numbers = numbers.astype(np.int64, copy=False)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise StoreError(f"{self.path} has rows 0 to {len(self) - 1}, not {numbers.min()} to {numbers.max()}")
        return numbers

    def _refuse_missing(self, rows: Rows, leads: Sequence[str]) -> None:
        mask = bits_of(leads)
        lacking = rows[self.leads[rows] & mask != mask]
        if len(lacking):
            row = int(lacking[0])
            lead = leads_of(mask & ~int(self.leads[row]))[0]
            record = self.table.column("record")[row].as_py()
            more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
            raise StoreError(f"record {record}{more} has no lead {lead}: select rows with leads=({lead!r},)")

    def _samples(self, number: int) -> npt.NDArray[np.int16]:
        if number not in self._maps:
            part = self._parts[number]
            path = self.path / f"{part['name']}.npy"
            try:
                mapped = np.lib.format.open_memmap(path, mode="r")  # takes no pickle and no archive
            except Exception as error:  # noqa: BLE001 - NumPy parses the header as Python and raises what that raises
                raise StoreError(f"{path} cannot be read: {error}; run `selfmis prepare` again") from None
            if mapped.shape != (part["segments"], len(LEADS), SAMPLES) or mapped.dtype != np.dtype("<i2"):
                raise StoreError(f"{path} is not what the manifest says; run `selfmis prepare` again")
            self._maps[number] = mapped
        return self._maps[number]

    def _read_table(self) -> Any:
        paths = [self.path / f"{part['name']}.parquet" for part in self._parts]
        try:
            tables = [pq.read_table(path, schema=schema()) for path in paths]
        except (OSError, ValueError, pa.ArrowException) as error:
            why = (str(error).splitlines() or [""])[0]
            raise StoreError(f"{self.path} is damaged ({why}); run `selfmis prepare` again") from None
        for part, table in zip(self._parts, tables, strict=True):
            if len(table) != part["segments"]:
                raise StoreError(f"{self.path}: {part['name']} is not what the manifest says; prepare it again")
        return pa.concat_tables([schema().empty_table(), *tables]).replace_schema_metadata(None)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path} holds no finished store: make one with `selfmis prepare`") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path / MANIFEST} cannot be read: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise StoreError(f"{path / MANIFEST} is not of store format {FORMAT}: prepare the store again")
    facts = {"rate_hz": RATE_HZ, "samples": SAMPLES, "leads": list(LEADS), "labels": list(SCORE_NAMES)}
    for name, expected in facts.items():
        if manifest.get(name) != expected:
            raise StoreError(f"{path / MANIFEST}: {name} is {manifest.get(name)!r}, this version has {expected!r}")
    if not isinstance(manifest.get("parts"), list) or not manifest["parts"]:
        raise StoreError(f"{path / MANIFEST} names no part: prepare the store again")
    if not all(map(_is_part, manifest["parts"])):
        raise StoreError(f"{path / MANIFEST} has parts that are none: prepare the store again")
    return manifest


def _is_part(part: object) -> bool:
    """A name of a file beside the manifest, and how many segments it has."""
    if not isinstance(part, dict):
        return False
    name, segments = part.get("name"), part.get("segments")
    plain = isinstance(name, str) and name.isprintable() and not {"/", "\\"} & set(name) and 0 < len(name) < 200
    return plain and type(segments) is int and 0 <= segments < 2**40
