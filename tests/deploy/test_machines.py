"""The system on several machines: one dies, one is cut off for longer than its lease and comes back; all is exact.

Every program runs in a network namespace, so Redis, ingest and the nodes have addresses of their own and meet only
over a network that can break. What is committed in the end is held against the generated samples, fed to fresh
memories without Redis and without any fault.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from benchmarks.faults.run import read
from deploy.local import ENVIRONMENT
from shared.artefact import Model
from tests.deploy.house import ROOT
from tests.deploy.machines import Machine, Network
from tests.deploy.ward import LEASE_S, PORT, Ward, redis_on

RAY = Path(sys.executable).with_name("ray")
REPLICA = "ray::ServeReplica:selfmis:Monitor"


def a_ward(net: Network, folder: Path, model: Model, *, seconds: float, shards: int) -> Ward:
    """With one Redis, on a machine of its own."""
    redis = net.machine("redis")
    redis_on(redis, folder / "redis")
    url = f"redis://{redis.address}:{PORT}/0"
    return Ward(net, folder, model, url, seconds=seconds, patients=60, shards=shards)


def test_a_machine_cut_off_for_longer_than_its_lease_and_one_that_dies_change_nothing(
    net: Network, tmp_path: Path, model: Model
) -> None:
    ward = a_ward(net, tmp_path, model, seconds=22, shards=4)
    one, two = net.machine("one"), net.machine("two")
    ward.replica_on(one, "one")
    ward.replica_on(two, "two")
    ward.until(lambda: ward.shared_by(2), "both own shards")
    (cut_off,) = (name for name in ward.owners() if name.startswith("one-"))
    ward.stream()
    one.cut()
    ward.until(lambda: ward.shared_by(1) and cut_off not in ward.owners(), "the other has taken over")
    one.mend()
    ward.until(lambda: ward.shared_by(2), "it is back at work")
    assert cut_off in ward.owners()  # the very process: it was not started anew
    two.kill()
    ward.until(lambda: list(ward.owners()) == [cut_off] and ward.shared_by(1), "the rest is its own")
    verdict = ward.verdict()
    assert verdict.good, verdict


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for Ray: its sockets lie deep below it, and their paths may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="sm-", ignore_cleanup_errors=True) as name:
        yield Path(name)


class Nodes:
    """A Ray head and its worker nodes, each a machine, and the monitor that Serve spreads over them."""

    def __init__(self, ward: Ward, folder: Path, workers: int) -> None:
        self.ward, self._folder = ward, folder
        self.head = ward.net.machine("head")
        self._dashboard = f"http://{self.head.address}:8265"
        here = ["--head", "--port=6379", "--include-dashboard=true", f"--dashboard-host={self.head.address}"]
        self._start(self.head, *here)
        ward.until(lambda: self._serve() is not None, "Serve's address")
        self.workers = [ward.net.machine(f"node{number}") for number in range(workers)]
        for worker in self.workers:
            self._start(worker, f"--address={self.head.address}:6379")
        self.all = [self.head, *self.workers]

    def deploy(self) -> None:
        """`serve deploy deploy/serve.yaml`, one replica a node."""
        config = yaml.safe_load((ROOT / "deploy" / "serve.yaml").read_text(encoding="utf-8"))
        nested: dict[str, dict[str, str]] = {}
        for override in self.ward.overrides:
            name, _, value = override.partition("=")
            section, _, key = name.partition(".")
            nested.setdefault(section, {})[key] = value
        application = config["applications"][0]
        application["args"] = {
            "model": str(self.ward.model.folder),
            "redis_url": self.ward.url,
            "settings": nested,
        }
        application["deployments"][0] |= {"num_replicas": len(self.all), "max_replicas_per_node": 1}
        httpx.put(self._applications, json=config, timeout=60).raise_for_status()
        self.ward.until(self.whole, "the application runs on every node", 240)

    def whole(self) -> bool:
        """Whether the application runs, a replica on every node, and all own shards."""
        said = self._serve() or {}
        status = said.get("applications", {}).get("selfmis", {}).get("status")
        assert status != "DEPLOY_FAILED", said
        spread = all(len(node.titles(REPLICA)) == 1 for node in self.all)
        return status == "RUNNING" and spread and self.ward.shared_by(len(self.all))

    @property
    def _applications(self) -> str:
        return f"{self._dashboard}/api/serve/applications/"

    def _serve(self) -> Mapping[str, Any] | None:
        """What the dashboard says of Serve; None while it says nothing."""
        with suppress(httpx.HTTPError):
            answer = httpx.get(self._applications, timeout=10)
            if answer.is_success:
                return dict(answer.json())
        return None

    def _start(self, machine: Machine, *options: str) -> None:
        folder = self._folder / str(len(self.ward.net.machines))
        command = [str(RAY), "start", "--block", f"--node-ip-address={machine.address}", "--num-cpus=1"]
        command += [f"--object-store-memory={100 << 20}", f"--temp-dir={folder}", *options]
        machine.run(folder.name, lambda: command, {**ENVIRONMENT, "RAY_worker_niceness": "0"})


@pytest.mark.full
def test_nodes_of_a_ray_cluster_die_and_are_cut_off_and_windows_and_alerts_stay_exact(
    net: Network, tmp_path: Path, short: Path, model: Model
) -> None:
    ward = a_ward(net, tmp_path, model, seconds=100, shards=9)
    nodes = Nodes(ward, short, workers=2)
    nodes.deploy()
    ward.stream()
    ward.until(lambda: any(read(ward.client, shard).alerts for shard in range(ward.shards)), "the first alert")

    dies, is_cut = nodes.workers
    dies.kill()
    ward.until(lambda: ward.shared_by(2), "the other two have taken over")
    dies.boot()
    ward.until(nodes.whole, "the node is back, and a replica on it")

    stale = is_cut.titles(REPLICA)
    is_cut.cut()
    ward.until(lambda: ward.shared_by(2), "the other two have taken over again")
    ward.sleep(LEASE_S)
    assert is_cut.titles(REPLICA) == stale  # it lives, and knows of nothing
    is_cut.mend()
    ward.until(nodes.whole, "all three share the shards again")
    verdict = ward.verdict()
    assert verdict.good, verdict
