"""Uploaded recordings: scored as the stream would be, in every form, at every rate; bad ones refused in a line."""

import io
import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from services.inference.engine import score
from services.inference.windows import Cutter, Rules
from shared.frames import Frames, headers
from shared.labels import SCORE_NAMES
from shared.position import ShardPosition
from tests.services.inference.api.conftest import Monitored, served, settings_of

UV_PER_LSB = 2.0


def counts(beating: Callable[..., Any], rate: int, seconds: float = 31) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.rint(beating(seconds, rate) * 1000 / UV_PER_LSB).astype(np.int16)


def posted(web: httpx.Client, millivolts: Any, rate: float) -> dict[str, Any]:
    said = web.post("/api/score", json={"rate_hz": rate, "millivolts": millivolts})
    assert said.status_code == 200, said.text
    found: dict[str, Any] = said.json()
    return found


@pytest.mark.parametrize("rate", [50, 130, 250, 512, 1000])
def test_a_recording_scores_bit_for_bit_as_the_same_samples_do_in_a_stream(
    monitored: Monitored, web: httpx.Client, beating: Callable[..., Any], rate: int
) -> None:
    samples = counts(beating, rate)
    header = headers(1)
    header["patient"], header["session"], header["rate_mhz"], header["uv_per_lsb"] = (
        b"x",
        1,
        rate * 1000,
        UV_PER_LSB,
    )
    step = Cutter(Rules.of(settings_of().window), ShardPosition(), ()).step(
        [("1-0", [Frames(header, samples[None, :])])]
    )
    (streamed,) = score([step.cut], monitored.engine)
    millivolts = samples.astype(np.float32) * np.float32(UV_PER_LSB) * np.float32(1e-3)
    found = posted(web, millivolts.tolist(), rate)
    assert len(found["windows"]) == len(streamed) > 3
    for window, probabilities in zip(found["windows"], streamed.probabilities.tolist(), strict=True):
        expected = (
            None
            if np.isnan(probabilities[0])
            else {n: round(p, 6) for n, p in zip(SCORE_NAMES, probabilities, strict=True)}
        )
        assert window["scores"] == expected
    assert found["summary"]["scored"] > 0
    assert found["model"] == "untrained:1"


def test_csv_and_wfdb_say_the_same_as_json(
    web: httpx.Client, beating: Callable[..., Any], record: Callable[..., Path]
) -> None:
    signal = np.round(beating(20, 100), 3)
    expected = posted(web, signal.tolist(), 100)
    table = "time,ecg\n" + "\n".join(f"{i / 100},{v}" for i, v in enumerate(signal * 1000))
    said = web.post("/api/score?rate_hz=100&unit=uV", content=table, headers={"Content-Type": "text/csv"})
    assert said.json() == expected
    header = record("rec", np.column_stack([signal, -signal]), sig_name=["I", "II"])
    said = web.post("/api/score", content=zipped(header.parent), headers={"Content-Type": "application/zip"})
    assert said.json() == expected
    other = web.post(
        "/api/score?lead=II", content=zipped(header.parent), headers={"Content-Type": "application/zip"}
    )
    assert other.json()["windows"] != expected["windows"]


def test_a_recording_of_a_lead_worn_upside_down_is_named(web: httpx.Client, beating: Callable[..., Any]) -> None:
    signal = beating(30, 250)
    for turned, word in ((signal, "upright"), (-signal, "inverted")):
        found = posted(web, turned.tolist(), 250)
        assert found["summary"]["polarity"] == word
        assert {window["polarity"] for window in found["windows"] if window["scores"]} == {word}


def test_of_a_flat_recording_and_of_a_lead_that_points_either_way_no_polarity_is_told(
    web: httpx.Client, beating: Callable[..., Any], record: Callable[..., Path]
) -> None:
    assert posted(web, [0.1] * 1500, 100)["summary"]["polarity"] is None
    header = record("rec", np.column_stack([beating(20, 100)] * 2), sig_name=["V1", "II"])
    said = web.post(
        "/api/score?lead=V1", content=zipped(header.parent), headers={"Content-Type": "application/zip"}
    )
    assert said.json()["summary"]["polarity"] is None
    assert said.json()["summary"]["scored"]


def zipped(folder: Path, **more: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
        for name, content in more.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_gaps_are_null_and_too_many_of_them_make_a_window_unassessable(
    web: httpx.Client, beating: Callable[..., Any]
) -> None:
    signal: list[float | None] = beating(20, 100).tolist()
    signal[1500:2000] = [None] * 500
    windows = posted(web, signal, 100)["windows"]
    assert [w["outcome"] for w in windows] == ["complete", "complete", "unassessable"]
    assert windows[2]["scores"] is None


def bomb() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rec.hea", "rec 1 100 1000\nrec.dat 16 1000/mV 16 0 0 0 0 I\n")
        archive.writestr("rec.dat", bytes(200 << 20))
    return made.getvalue()


def outside() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("../../evil.hea", "evil 1 100 1000\n../../../etc/passwd 16 1000/mV 16 0 0 0 0 I\n")
    return made.getvalue()


@pytest.mark.parametrize(
    ("kind", "body", "status", "word"),
    [
        ("application/json", b"{", 422, "not JSON"),
        ("application/json", b'{"rate_hz": 100, "millivolts": [1, 2]}', 422, "ten seconds"),
        ("application/json", b'{"rate_hz": 7, "millivolts": [1]}', 422, "50 to 1000"),
        ("application/json", b'{"rate_hz": 100, "millivolts": ["a"]}', 422, "number"),
        ("application/json", b'{"rate_hz": 100, "millivolts": [NaN, Infinity]}', 422, "finite"),
        ("application/json", b"[" * 10_000, 422, "JSON"),
        ("text/csv", b"a,b\n1,2\n", 422, "several columns"),
        ("text/csv", b"a\nx\n", 422, "line 2"),
        ("text/csv", b"\xff\xfe", 422, "UTF-8"),
        ("text/csv", b"", 422, "ten seconds"),
        ("application/zip", b"PK", 422, "zip"),
        ("application/zip", outside(), 422, "recording"),
        ("image/png", b"x", 415, "application/zip"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_line(
    web: httpx.Client, kind: str, body: bytes, status: int, word: str
) -> None:
    said = web.post("/api/score?rate_hz=100", content=body, headers={"Content-Type": kind})
    assert said.status_code == status, said.text
    assert word in said.json()["error"]


def test_a_zip_that_unpacks_to_far_more_than_it_weighs_is_refused(web: httpx.Client) -> None:
    said = web.post("/api/score", content=bomb(), headers={"Content-Type": "application/zip"})
    assert said.status_code == 422
    assert "unpacks to more" in said.json()["error"]


def test_more_than_can_be_scored_at_once_is_told_to_come_back(
    monitored: Monitored, beating: Callable[..., Any]
) -> None:
    body = json.dumps({"rate_hz": 250, "millivolts": np.tile(beating(60, 250), 10).round(3).tolist()}).encode()
    statuses: list[int] = []

    def post(url: str) -> None:
        said = httpx.post(
            f"{url}/api/score", content=body, headers={"Content-Type": "application/json"}, timeout=60
        )
        statuses.append(said.status_code)

    with served(monitored.app()) as url:
        threads = [threading.Thread(target=post, args=(url,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200, 429}
