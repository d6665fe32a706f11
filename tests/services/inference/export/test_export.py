"""What is exported is what was committed, each once, however often the export was killed."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from services.inference.alarms import Action, Command
from services.inference.alarms.alert import Alert
from services.inference.api import audit, reading
from services.inference.api.alert_log import AlertLog
from services.inference.api.cursor import Cursor
from services.inference.export.command import export, export_audit, main
from services.inference.export.folder import AUDIT_EVENTS, LISTS, PROGRESS, ExportError, ExportFolder
from services.inference.export.wfdb_record import ANNOTATOR
from services.inference.monitor.saying import audited
from shared.labels import SCORE_NAMES
from shared.redis.connection import Client
from shared.shards import ALERT_BODY, ALERT_ID, AUDIT_FIELD, alerts_key, audit_key
from shared.wfdb import read_comments, read_header, read_stretch
from tests.services.inference.fhir.published import checked

SHARDS = 3
SYSTEM = "http://hospital.example/mrn"


def commit(client: Client, number: int, *, strip: bool = True) -> dict[str, Any]:
    """An alert with a strip of its own, as a commit appends it."""
    rng = np.random.default_rng(number)
    scores = tuple(rng.random(len(SCORE_NAMES)).tolist())
    alert = Alert(
        id=f"{number:032x}", alarm="0" * 32, patient=f"β\u2028{number}", kind="mi", transition="began",
        cause="evidence", phase="raised", priority="high", type="IMI", time_us=1_700_000_000_123_456 + number,
        began_us=1, session=1, window=1, close=("AMI",), scores=scores, evidence=scores, quality=0.9, model="m:1",
    )  # fmt: skip
    body: dict[str, Any] = alert.to_dict() | {"strip": None, "polarity": None}
    if strip:
        body["polarity"] = "inverted"
        raw = rng.integers(-32768, 32767, 1000, "<i2", endpoint=True).tobytes()
        body["strip"] = {"rate_hz": 100, "uv_per_lsb": 1.0, "int16": base64.b64encode(raw).decode()}
    entry = {ALERT_ID: alert.id, ALERT_BODY: json.dumps(body, ensure_ascii=False).encode()}
    client.xadd(alerts_key(number % SHARDS), entry)  # type: ignore[arg-type]  # of bytes, as it takes them
    asked = Command(f"{number + 1}-0", Action.ACKNOWLEDGE, f"β\u2028{number}", "Ann", "seen", alarm=alert.alarm)
    line = audited(asked.id, json.loads(asked.to_json()), "applied", "")
    client.xadd(audit_key(number % SHARDS), {AUDIT_FIELD: line})
    return body


@pytest.fixture
def run(client: Client, tmp_path: Path) -> Callable[[], int]:
    def exported() -> int:
        folder = ExportFolder(tmp_path / "out", SHARDS, patient_system=SYSTEM, lead="I")
        added = export(AlertLog(client, SHARDS), folder)
        assert export_audit(client, SHARDS, folder) == added
        return added

    return exported


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text(encoding="utf-8").splitlines()


def test_a_strip_reads_back_as_it_was_with_our_reader_and_with_wfdb(
    client: Client, run: Callable[[], int], tmp_path: Path
) -> None:
    body = commit(client, 1)
    assert run() == 1
    (place,) = lines(tmp_path / "out", "RECORDS")
    path = tmp_path / "out" / place
    counts = np.frombuffer(base64.b64decode(body["strip"]["int16"]), "<i2")
    # The lowest value of format 16 means that there is no sample; a clipped strip must not have gaps.
    expected = np.maximum(counts, -32767)
    stretch = read_stretch(path.with_suffix(".hea"), read_header(path.with_suffix(".hea")), 0)
    np.testing.assert_array_equal(stretch.values * stretch.uv_per_lsb, expected)
    assert not stretch.missing.any()
    record = wfdb.rdrecord(str(path))
    np.testing.assert_allclose(record.p_signal[:, 0] * 1000, expected, atol=1e-9)
    assert (record.fs, record.sig_name, record.units) == (100, ["I"], ["mV"])
    assert record.base_datetime is not None
    assert record.base_datetime.isoformat() == "2023-11-14T22:13:10.123457"
    comments = read_comments(path.with_suffix(".hea"))
    assert any(comment.startswith("scores: IMI=") for comment in comments)
    assert "polarity: inverted" in comments
    assert "Research use only" in comments[-1]
    note = wfdb.rdann(str(path), ANNOTATOR)
    assert note.aux_note[0].startswith("Myocardial infarction suspected, type IMI (close: AMI)")


def test_every_alert_is_there_once_over_any_number_of_runs(
    client: Client, run: Callable[[], int], tmp_path: Path
) -> None:
    for number in range(30):
        commit(client, number, strip=number % 2 == 0)
    assert (run(), run()) == (30, 0)
    for number in range(30, 40):
        commit(client, number)
    assert run() == 10
    folder = tmp_path / "out"
    ids = [checked(json.loads(line)).id for line in lines(folder, "Communication.ndjson")]
    assert sorted(ids) == [f"{number:032x}" for number in range(40)]
    assert len({checked(json.loads(line)).id for line in lines(folder, "Observation.ndjson")}) == 40
    assert len(set(lines(folder, "RECORDS"))) == 25
    events = [checked(json.loads(line)) for line in lines(folder, AUDIT_EVENTS)]
    assert len({event.id for event in events}) == len(events) == 40
    assert {event.entity[0].what.identifier.value for event in events} == {f"β\u2028{n}" for n in range(40)}


@pytest.mark.parametrize("after", ["records", *LISTS])
def test_an_export_that_was_killed_is_continued_as_if_it_had_not_been(
    client: Client, run: Callable[[], int], tmp_path: Path, after: str
) -> None:
    """Killed in the midst of a page: its files may be there or half there, the progress is of the page before."""
    folder = tmp_path / "out"
    for number in range(5):
        commit(client, number)
    run()
    before = (folder / PROGRESS).read_bytes()
    for number in range(5, 9):
        commit(client, number)
    run()
    expected = {name: lines(folder, name) for name in LISTS}
    (folder / PROGRESS).write_bytes(before)
    if after in LISTS:
        with (folder / after).open("ab") as file:
            file.write(b'{"half')
    assert run() == 4
    assert {name: lines(folder, name) for name in LISTS} == expected


def test_a_folder_from_before_there_was_an_audit_in_it_is_continued_and_gets_all_that_is_kept(
    client: Client, tmp_path: Path
) -> None:
    for number in range(4):
        commit(client, number)
    folder = tmp_path / "out"
    export(AlertLog(client, SHARDS), ExportFolder(folder, SHARDS, patient_system=SYSTEM, lead="I"))
    said = json.loads((folder / PROGRESS).read_text())
    del said["audit"], said["bytes"][AUDIT_EVENTS]
    (folder / PROGRESS).write_text(json.dumps(said | {"version": 1}))
    (folder / AUDIT_EVENTS).unlink()
    later = ExportFolder(folder, SHARDS, patient_system=SYSTEM, lead="I")
    assert export(AlertLog(client, SHARDS), later) == 0
    assert export_audit(client, SHARDS, later) == 4


def test_pages_of_the_audit_are_bounded_and_miss_nothing(client: Client) -> None:
    for number in range(20):
        commit(client, number)
    since, until, found = Cursor(SHARDS), audit.ends(client, SHARDS), []
    while True:
        page, since = audit.onward(client, since, until, 3)
        if not page:
            break
        assert len(page) <= 3
        found += [entry["command"] for entry in page]
    assert sorted(found) == sorted(f"{number + 1}-0" for number in range(20))


def test_a_folder_that_cannot_be_continued_is_refused(
    client: Client, run: Callable[[], int], tmp_path: Path
) -> None:
    commit(client, 1)
    run()
    folder = tmp_path / "out"
    shutil.copytree(folder, tmp_path / "other")
    (folder / "RECORDS").write_bytes(b"")
    with pytest.raises(ExportError, match="shorter"):
        run()
    (tmp_path / "other" / PROGRESS).unlink()
    with pytest.raises(ExportError, match="no progress"):
        ExportFolder(tmp_path / "other", SHARDS, patient_system=SYSTEM, lead="I")
    with pytest.raises(ExportError, match="other shards"):
        ExportFolder(folder, SHARDS + 1, patient_system=SYSTEM, lead="I")


def test_a_folder_that_cannot_be_written_is_one_line(
    client: Client, run: Callable[[], int], tmp_path: Path
) -> None:
    commit(client, 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "records").write_text("in the way")
    with pytest.raises(ExportError, match="cannot be written"):
        run()


def test_the_command_exports_what_the_api_shows(client: Client, redis_url: str, tmp_path: Path) -> None:
    for number in range(3):
        commit(client, number)
    settings = ["--set", f"redis.url={redis_url}", "--set", f"stream.shards={SHARDS}"]
    assert main(["--out", str(tmp_path / "out"), *settings]) == 0
    found = {json.loads(line)["id"] for line in lines(tmp_path / "out", "Communication.ndjson")}
    assert found == {alert["id"] for alert in reading.alerts(client, SHARDS, 100)}
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0
