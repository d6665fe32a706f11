"""`selfmis alerts export`: committed alerts and audit, as WFDB records and FHIR resources, into a folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from services.inference.api import audit
from services.inference.api.alert_log import AlertLog
from services.inference.export.folder import ExportFolder
from shared.command import DONE, Parser, run, settings_arguments, settings_from
from shared.pinning import pin
from shared.redis.connection import Client, connect, explained
from shared.redis.embedded import resolve

PAGE = 200


def main(argv: Sequence[str]) -> int:
    """Write alerts and audit into a folder: each strip as a WFDB record, all as FHIR. Again: adds what is new.

    Memory stays flat, however many there are. What retention has removed cannot be exported.
    """
    parser = Parser(prog="selfmis alerts export", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new one, or one to continue")
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    settings = settings_from(arguments)
    shards = settings.stream.shards
    with (
        resolve(settings.redis) as url,
        connect(url, timeout_s=settings.redis.timeout_s) as client,
        explained(url),
    ):
        pin(client, shards)
        system, lead = settings.api.fhir_patient_system, settings.window.lead
        folder = ExportFolder(arguments.out, shards, patient_system=system, lead=lead)
        added = export(AlertLog(client, shards), folder)
        audited = export_audit(client, shards, folder)
    print(f"{added} alerts and {audited} audit entries added to {arguments.out}")
    return DONE


def export(log: AlertLog, folder: ExportFolder) -> int:
    """Everything between the folder's cursor and what is newest now, page by page; how many alerts that were."""
    until, added = log.ends(), 0
    while True:
        rows, cursor = log.onward(folder.cursor, PAGE, until=until)
        if not rows:
            return added
        folder.write([json.loads(row.view()) for row in rows], cursor)
        added += len(rows)


def export_audit(client: Client, shards: int, folder: ExportFolder) -> int:
    """The same of the audit; how many entries that were."""
    until, added = audit.ends(client, shards), 0
    while True:
        entries, cursor = audit.onward(client, folder.audit_cursor, until, PAGE)
        if not entries:
            return added
        folder.write_audit(entries, cursor)
        added += len(entries)


if __name__ == "__main__":
    raise SystemExit(run(main))
