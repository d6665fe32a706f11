"""Ray clusters of several machines: nodes die and are cut off, a second cluster takes over; all is exact.

Each node is a network namespace with an address of its own; Redis and ingest are on two more. What is committed in
the end is held against the generated samples, fed to fresh memories without Redis and without any fault.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from benchmarks.faults.run import read
from deploy.local import APPLICATION, ENVIRONMENT
from shared.artefact import Model
from tests.deploy.house import ROOT
from tests.deploy.machines import Machine, Network
from tests.deploy.ward import LEASE_S, Ward, one_redis

RAY = Path(sys.executable).with_name("ray")
REPLICA = f"ray::ServeReplica:{APPLICATION}:Monitor"


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for Ray: its sockets lie deep below it, and their paths may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="sm-", ignore_cleanup_errors=True) as name:
        yield Path(name)


class Nodes:
    """A Ray head and its worker nodes, each a machine, and the monitor that Serve spreads over them."""

    def __init__(self, ward: Ward, folder: Path, head: str, workers: Sequence[str] = ()) -> None:
        self.ward, self._folder = ward, folder
        self.head = ward.net.machine(head)
        self._applications = f"http://{self.head.address}:8265/api/serve/applications/"
        here = ["--head", "--port=6379", "--include-dashboard=true", f"--dashboard-host={self.head.address}"]
        self._start(head, self.head, *here)
        ward.until(lambda: self._told() is not None, "the dashboard")
        self.workers = [ward.net.machine(name) for name in workers]
        for name, worker in zip(workers, self.workers, strict=True):
            self._start(name, worker, f"--address={self.head.address}:6379")
        self.all = [self.head, *self.workers]

    def deploy(self) -> None:
        """What `serve deploy deploy/serve.yaml` asks for, with one replica a node."""
        config = yaml.safe_load((ROOT / "deploy" / "serve.yaml").read_text(encoding="utf-8"))
        nested: dict[str, dict[str, str]] = {}
        for override in self.ward.overrides:
            name, _, value = override.partition("=")
            section, _, key = name.partition(".")
            nested.setdefault(section, {})[key] = value
        application = config["applications"][0]
        model = str(self.ward.model.folder)
        application["args"] = {"model": model, "redis_url": self.ward.url, "settings": nested}
        application["deployments"][0] |= {"num_replicas": len(self.all), "max_replicas_per_node": 1}
        httpx.put(self._applications, json=config, timeout=60).raise_for_status()
        self.ward.until(self.whole, "the application runs on every node")

    def leave(self) -> None:
        """End the application in order, as before a cluster is taken away."""
        httpx.delete(self._applications, timeout=60).raise_for_status()

    def whole(self) -> bool:
        """Whether the application runs, with a replica on every node."""
        said = self._told() or {}
        status = said.get("applications", {}).get(APPLICATION, {}).get("status")
        assert status != "DEPLOY_FAILED", said
        return status == "RUNNING" and all(len(node.titles(REPLICA)) == 1 for node in self.all)

    def _told(self) -> Mapping[str, Any] | None:
        """What the dashboard says of Serve; None while it says nothing."""
        with suppress(httpx.HTTPError):
            answer = httpx.get(self._applications, timeout=10)
            if answer.is_success:
                return dict(answer.json())
        return None

    def _start(self, name: str, machine: Machine, *options: str) -> None:
        command = [str(RAY), "start", "--block", f"--node-ip-address={machine.address}", "--num-cpus=1"]
        command += [f"--object-store-memory={100 << 20}", f"--temp-dir={self._folder / name}", *options]
        machine.run(name, lambda: command, ENVIRONMENT)


def an_alert(ward: Ward) -> bool:
    """Whether there is one."""
    return any(read(ward.client, shard).alerts for shard in range(ward.shards))


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_nodes_of_a_ray_cluster_die_and_are_cut_off_and_windows_and_alerts_stay_exact(
    net: Network, tmp_path: Path, short: Path, model: Model
) -> None:
    ward = Ward(net, tmp_path, model, one_redis(net, tmp_path), seconds=100, patients=60, shards=9)
    nodes = Nodes(ward, short, "head", ("node1", "node2"))
    nodes.deploy()
    ward.until(lambda: ward.shared_by(3), "all three share the shards")
    ward.stream()
    ward.until(lambda: an_alert(ward), "the first alert")

    dies, is_cut = nodes.workers
    dies.kill()
    ward.until(lambda: ward.shared_by(2), "the other two have taken over")
    dies.boot()
    ward.until(lambda: nodes.whole() and ward.shared_by(3), "the node is back, and a replica on it")

    stale = is_cut.titles(REPLICA)
    is_cut.cut()
    ward.until(lambda: ward.shared_by(2), "the other two have taken over again")
    ward.sleep(LEASE_S)
    assert is_cut.titles(REPLICA) == stale  # it lives, and knows of nothing
    is_cut.mend()
    ward.until(lambda: nodes.whole() and ward.shared_by(3), "all three share the shards again")
    verdict = ward.verdict()
    assert verdict.good, verdict


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_second_cluster_that_pulls_beside_the_first_and_takes_its_place_changes_nothing(
    net: Network, tmp_path: Path, short: Path, model: Model
) -> None:
    """What KubeRay's upgrade of a RayService does: the first goes only when the second serves."""
    ward = Ward(net, tmp_path, model, one_redis(net, tmp_path), seconds=60, patients=60, shards=4)
    blue = Nodes(ward, short, "blue")
    blue.deploy()
    ward.until(lambda: ward.shared_by(1), "it owns all shards")
    ward.stream()
    ward.until(lambda: an_alert(ward), "the first alert")
    (before,) = ward.owners()
    green = Nodes(ward, short, "green")
    green.deploy()
    ward.until(lambda: ward.shared_by(2), "both pull")
    blue.leave()
    ward.until(lambda: ward.shared_by(1), "one is left")
    assert before not in ward.owners()
    blue.head.kill()
    verdict = ward.verdict()
    assert verdict.good, verdict
