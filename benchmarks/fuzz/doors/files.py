"""Files that people write by hand: scenarios, settings, tokens, configs; and stored figures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import yaml

from benchmarks.docs import BENCHES, page
from benchmarks.fuzz.bend import as_json, bent_json, bent_text, bent_tree
from benchmarks.fuzz.door import Way
from benchmarks.fuzz.parts import chosen, join, split
from deploy.plan import costs
from services.inference.api.access import Access
from services.inference.monitor.shard import ShardRules
from services.inference.serving.user_config import changed
from services.ingest.scenario import LARGEST_FILE, parse
from shared.settings import load

SCENARIO = b"""name: ward
seed: 3
lead: I
frame_s: 0.5
rates_hz: [100, 250]
speed: max
network: {loss: 0.01, duplication: 0.02, reorder: 0.05, delay_s: 1.5, outages_per_hour: 20, outage_s: 6}
patients:
  - {kind: NORM, count: 8, noise: 0.5}
  - {kind: IMI, count: 4, onset_s: [10, 40], evolution: 600, severity: 1.2}
  - kind: AMI
    count: 2
    onset_s: 20
    effects: [{type: lead_off, start_s: 10, stop_s: 90}, {type: clock_drift, amount: -40}]
    absent_s: [30, 60]
  - {crowd: 500, together: 100, rates_hz: [128]}
  - {wfdb: recordings, lead: MLII, count: 3, loop: false}
"""
SETTINGS = b"""[redis]
url = "rediss://ward:secret-of-a-file@redis.example/0"
timeout_s = 2.5
[stream]
shards = 64
[window]
stride_s = 5.0
lead = "II"
[alarm]
low = 0.5
medium = 0.7
high = 0.9
[gateway]
token = "a-token-of-sixteen-and-more"
[api]
requests_per_s = 50
"""
OVERRIDES = ("alarm.on_windows=2", "alarm.of_windows=5", "window.max_missing=0.05", "monitor.lease_s=5")
ENVIRON = {
    "SELFMIS_MONITOR_PACE_S": "0.1",
    "SELFMIS_API_VIEW_TOKEN": "a-view-token-of-some-length",
    "PATH": "/bin",
}
SECRETS = ("secret-of-a-file", "a-token-of-sixteen-and-more", "a-view-token-of-some-length")


@contextmanager
def scenario(_folder: Path) -> Iterator[Way]:
    """`services.ingest.scenario`, the tree of the YAML bent or its text."""

    def bend(case: bytes, chance: Random) -> bytes:
        if chance.random() < 0.5 or len(case) > 5000:  # the YAML writer takes its time
            return bent_text(case, chance)
        try:
            tree = yaml.safe_load(case)
            return yaml.safe_dump(bent_tree(tree, chance), allow_unicode=chance.random() < 0.5).encode(
                "utf-8", "replace"
            )
        except (yaml.YAMLError, ValueError, RecursionError, TypeError):
            return bent_text(case, chance)

    def enter(case: bytes) -> None:
        found = parse(case[: LARGEST_FILE + 1], "ward.yaml")
        found.digest()
        found.network.faults()

    yield Way(lambda _chance: SCENARIO, bend, enter)


@contextmanager
def settings(folder: Path) -> Iterator[Way]:
    """`shared.settings`: a file, the environment and the command line at once."""
    file = folder / "selfmis.toml"
    good = join(
        {
            "file": SETTINGS,
            "set": "\n".join(OVERRIDES).encode(),
            "environ": "\n".join(f"{name}={value}" for name, value in ENVIRON.items()).encode(),
        }
    )

    def bend(case: bytes, chance: Random) -> bytes:
        parts = split(case)
        name = chosen(parts, chance)
        if name:
            parts[name] = bent_text(parts[name], chance)
        return join(parts)

    def enter(case: bytes) -> None:
        parts = split(case)
        file.write_bytes(parts.get("file", b""))
        pairs = (line.partition("=") for line in parts.get("environ", b"").decode("latin-1").split("\n"))
        environ = {name: value for name, _, value in pairs if name}
        overrides = parts.get("set", b"").decode("latin-1").split("\n")
        environ.pop("SELFMIS_CONFIG", None)
        load(config=file, overrides=overrides, environ=environ).rows()

    yield Way(lambda _chance: good, bend, enter)


@contextmanager
def user_config(_folder: Path) -> Iterator[Way]:
    """`services.inference.serving.user_config`, to the rules that a replica would follow."""
    good = as_json({"alarm": {"low": 0.4, "of_windows": 6, "latch_timeout_s": None}, "model": "models/next"})

    def enter(case: bytes) -> None:
        try:
            config = json.loads(case)
        except (ValueError, RecursionError):
            return  # Serve reads the YAML; what comes to a replica is a mapping
        if isinstance(config, dict):
            ShardRules.of(changed(config, ()).settings)

    yield Way(lambda _chance: good, bent_json, enter)


@contextmanager
def tokens(folder: Path) -> Iterator[Way]:
    """`services.inference.api.access`: the file of tokens."""
    file = folder / "tokens"
    good = b"# who may\nview " + b"0a" * 32 + b"\nact  " + b"F1" * 32 + b"  # the night shift\n"
    found = load(environ={}, overrides=[f"api.tokens_file={file}"]).settings.api

    def enter(case: bytes) -> None:
        file.write_bytes(case)
        Access.of(found).role("x")

    yield Way(lambda _chance: good, bent_text, enter)


@contextmanager
def figures(folder: Path) -> Iterator[Way]:
    """`benchmarks.docs` and `deploy.plan`: figures that somebody measured."""
    for bench in BENCHES:
        stored = costs.FOLDER / f"{bench.stored}.json"
        (folder / stored.name).write_bytes(stored.read_bytes() if stored.exists() else as_json({"us": 2.5}))
    file = folder / "capacity.json"
    good = file.read_bytes()

    def enter(case: bytes) -> None:
        file.write_bytes(case)
        page(folder)
        costs.read(folder)

    yield Way(lambda _chance: good, bent_json, enter)
