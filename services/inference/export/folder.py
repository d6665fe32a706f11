"""The folder of an export, which a later run continues: each alert is in it once, whenever a run was killed.

So is each entry of the audit. `progress.json` says up to which ones everything is written and how long each
list was then. A run that follows cuts the lists to that length and goes on; records of alerts behind it are
written over.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from services.inference.api.cursor import Cursor
from services.inference.export.wfdb_record import write_record
from services.inference.fhir.audit_event import audit_event
from services.inference.fhir.communication import communication
from services.inference.fhir.observation import observation
from shared.errors import SelfmisError

PROGRESS: Final = "progress.json"
RECORDS: Final = "RECORDS"
COMMUNICATIONS: Final = "Communication.ndjson"
OBSERVATIONS: Final = "Observation.ndjson"
AUDIT_EVENTS: Final = "AuditEvent.ndjson"
LISTS: Final = (RECORDS, COMMUNICATIONS, OBSERVATIONS, AUDIT_EVENTS)
_VERSION = 2
_WITHOUT_AUDIT = 1  # a folder of that version is continued, and has its audit from the beginning


class ExportError(SelfmisError):
    """A folder that cannot be continued."""


class ExportFolder:
    """Writes pages of alerts and audit, one run at a time; not thread-safe.

    Refuses (`ExportError`) what cannot be done.
    """

    def __init__(self, folder: Path, shards: int, *, patient_system: str, lead: str) -> None:
        self._folder, self._shards = folder, shards
        self._patient_system, self._lead = patient_system, lead
        with _explained(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is in it names patients
            self.cursor, self.audit_cursor, self.alerts, lengths = self._progress()
            for name in LISTS:
                with (folder / name).open("ab") as file:
                    if file.tell() < lengths[name]:
                        raise ExportError(f"{folder / name} is shorter than it was: use another folder")
                    file.truncate(lengths[name])

    def write(self, alerts: Sequence[Mapping[str, Any]], cursor: Cursor) -> None:
        """A page of alerts, oldest first; then it is on disk, and ``cursor`` is where the next run begins."""
        with _explained(self._folder):
            self._write(alerts)
            self.cursor, self.alerts = cursor, self.alerts + len(alerts)
            self._note()

    def write_audit(self, entries: Sequence[Mapping[str, Any]], cursor: Cursor) -> None:
        """A page of the audit, likewise."""
        with _explained(self._folder):
            self._append({AUDIT_EVENTS: [_line(audit_event(entry, self._patient_system)) for entry in entries]})
            self.audit_cursor = cursor
            self._note()

    def _write(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        lines: dict[str, list[str]] = {name: [] for name in (RECORDS, COMMUNICATIONS, OBSERVATIONS)}
        for alert in alerts:
            day = datetime.fromtimestamp(alert["committed_ms"] / 1000, UTC).strftime("%Y-%m-%d")
            where = self._folder / "records" / day
            where.mkdir(parents=True, exist_ok=True)
            if write_record(where, alert, self._lead):
                lines[RECORDS].append(f"records/{day}/{alert['id']}")
            lines[COMMUNICATIONS].append(_line(communication(alert, self._patient_system)))
            rests_on = observation(alert, self._patient_system, self._lead)
            if rests_on is not None:
                lines[OBSERVATIONS].append(_line(rests_on))
        self._append(lines)

    def _append(self, lines: Mapping[str, Sequence[str]]) -> None:
        for name, added in lines.items():
            with (self._folder / name).open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in added)
                file.flush()
                os.fsync(file.fileno())

    def _progress(self) -> tuple[Cursor, Cursor, int, dict[str, int]]:
        path = self._folder / PROGRESS
        if not path.exists():
            if any((self._folder / name).exists() for name in LISTS):
                raise ExportError(f"{self._folder} holds lists but no {PROGRESS}: choose another folder")
            return Cursor(self._shards), Cursor(self._shards), 0, dict.fromkeys(LISTS, 0)
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            version, shards, count = said["version"], said["shards"], int(said["alerts"])
            if version == _WITHOUT_AUDIT:
                said |= {"audit": {}, "bytes": {AUDIT_EVENTS: 0, **said["bytes"]}}
                version = _VERSION
            at, audit_at = _positions(said["cursor"]), _positions(said["audit"])
            lengths = {name: int(said["bytes"][name]) for name in LISTS}
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise ExportError(f"{path} cannot be read: begin anew in another folder") from None
        if (version, shards) != (_VERSION, self._shards):
            raise ExportError(f"{path} is of a monitor with other shards, or another version: use another folder")
        return Cursor(self._shards, at), Cursor(self._shards, audit_at), count, lengths

    def _note(self) -> None:
        said = {
            "version": _VERSION,
            "shards": self._shards,
            "alerts": self.alerts,
            "cursor": _noted(self.cursor),
            "audit": _noted(self.audit_cursor),
            "bytes": {name: (self._folder / name).stat().st_size for name in LISTS},
        }
        path, part = self._folder / PROGRESS, self._folder / f"{PROGRESS}.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error.strerror or error}") from None


def _positions(said: Mapping[str, Sequence[int]]) -> dict[int, tuple[int, int]]:
    return {int(shard): (int(entry[0]), int(entry[1])) for shard, entry in said.items()}


def _noted(cursor: Cursor) -> dict[str, list[int]]:
    return {str(shard): list(entry) for shard, entry in sorted(cursor.at.items())}


def _line(resource: Mapping[str, Any]) -> str:
    # Line ends of Unicode inside strings would break lines for some readers, so everything is ASCII.
    return json.dumps(resource, separators=(",", ":"), allow_nan=False)
