"""The example in the documentation, run as its reader would run it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

Fixture = Any
EXAMPLE = Path(__file__).resolve().parents[4] / "docs" / "examples" / "gateway_client.py"


def run(patient: str, lines: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]} | environ
    return subprocess.run(
        [sys.executable, "-I", str(EXAMPLE), patient],
        input=lines,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_example_sends_its_samples_and_they_arrive_unchanged(redis_url: str, start: Fixture) -> None:
    microvolts = np.random.default_rng(3).integers(-3000, 3000, 1100)
    lines = "".join(f"{count / 1000}\n" for count in microvolts)
    with start(redis_url, "gateway.token=correct-horse-battery") as gateway:
        ran = run("example", lines, GATEWAY_URL=gateway.url, GATEWAY_TOKEN="correct-horse-battery")
        stored = gateway.stored("example")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [int(header["first"]) for header, _ in stored] == [0, 250, 500, 750, 1000]
    assert np.concatenate([samples for _, samples in stored]).tolist() == microvolts.tolist()
    assert len({(int(h["session"]), int(h["session_start_us"]), int(h["rate_mhz"])) for h, _ in stored}) == 1


def test_the_example_says_why_it_was_refused(gateway: Fixture) -> None:
    ran = run("x" * 33, "0.1\n", GATEWAY_URL=gateway.url)
    assert ran.returncode == 1
    assert "frame 0, patient" in ran.stderr
