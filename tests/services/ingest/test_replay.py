"""`selfmis ingest replay` end to end: files in, frames in a real Redis out, broken files named and left out."""

import json
from pathlib import Path

import numpy as np
import pytest
import wfdb

from benchmarks.consumer import Consumer, Coverage
from services.ingest import replay
from shared.command import run
from shared.frames import decode
from shared.redis.connection import Client
from shared.shards import BATCH_FIELD, stream_key

SHARDS = 8


def write(folder: Path, name: str, seconds: float = 12, rate: int = 250) -> np.ndarray:
    """One WFDB record of lead I; gives its counts."""
    t = np.arange(int(seconds * rate)) / rate
    millivolts = 0.6 * np.sin(2 * np.pi * 1.2 * t) ** 15 + 0.02 * np.sin(2 * np.pi * 0.3 * t)
    wfdb.wrsamp(
        name,
        rate,
        ["mV"],
        ["I"],
        millivolts[:, None],
        fmt=["16"],
        adc_gain=[1000],
        baseline=[0],
        write_dir=str(folder),
    )
    counts: np.ndarray = np.rint(millivolts * 1000).astype(np.int16)
    return counts


def ingest(url: str, *arguments: str) -> int:
    quick = [f"redis.url={url}", f"stream.shards={SHARDS}", "ingest.metrics_port=0", "ingest.upkeep_s=0.05"]
    return run(replay.main, [*arguments, *(word for s in quick for word in ("--set", s))])


def streamed(client: Client) -> dict[bytes, np.ndarray]:
    """Each patient's samples in order."""
    parts: dict[bytes, list[np.ndarray]] = {}
    for shard in range(SHARDS):
        for _, fields in client.xrange(stream_key(shard)):  # type: ignore[union-attr]  # sync client
            for frames in decode(fields[BATCH_FIELD]):
                for header, samples in zip(frames.headers, frames.samples, strict=True):
                    parts.setdefault(bytes(header["patient"]), []).append(samples)
    return {patient: np.concatenate(samples) for patient, samples in parts.items()}


def test_a_recording_played_once_arrives_count_for_count(redis_url: str, client: Client, tmp_path: Path) -> None:
    counts = write(tmp_path, "one")
    assert ingest(redis_url, "--wfdb", str(tmp_path), "--once", "--speed", "max") == 0
    ((patient, samples),) = streamed(client).items()
    assert patient == b"one"
    assert (samples == counts).all()


def test_more_patients_than_recordings_share_them_at_their_native_rates(
    redis_url: str, client: Client, tmp_path: Path
) -> None:
    write(tmp_path, "one", rate=250)
    write(tmp_path, "two", rate=300)
    summary = tmp_path / "summary.json"
    arguments = ["--wfdb", str(tmp_path), "--patients", "50", "--speed", "max", "--duration", "20"]
    assert ingest(redis_url, *arguments, "--json", str(summary)) == 0
    coverage = Coverage()
    consumer = Consumer(client, SHARDS, coverage=coverage)
    while consumer.step():
        pass
    assert coverage.holes() == {}
    assert {
        n % rate for n, rate in zip(sorted(coverage.newest().values()), [250] * 25 + [300] * 25, strict=True)
    } == {0}
    assert json.loads(summary.read_text(encoding="utf-8"))["patients"] == 50


def test_a_broken_file_is_named_in_one_line_and_the_others_stream(
    redis_url: str, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "good")
    write(tmp_path, "cut")
    (tmp_path / "cut.dat").write_bytes((tmp_path / "cut.dat").read_bytes()[:100])
    assert ingest(redis_url, "--wfdb", str(tmp_path), "--once", "--speed", "max") == 0
    assert set(streamed(client)) == {b"good"}
    (line,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert "cut.hea" in line


def test_own_csv_files_stream_in_the_unit_they_say(redis_url: str, client: Client, tmp_path: Path) -> None:
    rows = "\n".join(f"{i / 200:.3f},{100 * np.sin(i / 20):.1f}" for i in range(1000))
    (tmp_path / "mine.csv").write_text(f"time,ecg [uV]\n{rows}\n", encoding="utf-8")
    assert ingest(redis_url, "--csv", str(tmp_path / "mine.csv"), "--once", "--speed", "max") == 0
    ((_, samples),) = streamed(client).items()
    assert len(samples) == 1000
    assert samples.max() == 100


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "one of the arguments --wfdb --csv --npy is required"),
        (["--wfdb", "nowhere"], "nowhere does not exist"),
        (["--wfdb", "x", "--patients", "0"], "--patients must be at least 1"),
        (["--wfdb", "x", "--speed", "fast"], "speed 'fast'"),
        (["--wfdb", "x", "--name", "a}b"], "--name 'a}b': use up to 20 lower-case letters"),
        (["--wfdb", "x", "--duration", "-1"], "--duration must be above 0"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest("redis://127.0.0.1:1/0", *arguments) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.data
def test_real_recordings_of_every_rate_stream_without_a_hole(
    redis_url: str, client: Client, data_dir: Path
) -> None:
    for path, lead in (("cinc2017", "I"), ("mitdb", "MLII"), ("ptbxl", "I")):
        name = ["--name", path, "--limit", "20"]
        arguments = ["--wfdb", str(data_dir / path), "--lead", lead, "--speed", "max", "--duration", "30"]
        assert ingest(redis_url, *arguments, *name) == 0
    coverage = Coverage()
    consumer = Consumer(client, SHARDS, coverage=coverage)
    while consumer.step():
        pass
    assert coverage.holes() == {}
    assert len(coverage.newest()) == 41
