"""The system on several machines: one dies, one is cut off for longer than its lease and comes back; all is exact.

Every program runs in a network namespace, so Redis, ingest and replicas have addresses of their own and meet only
over a network that can break. What is committed in the end is held against the generated samples, fed to fresh
memories without Redis and without any fault.
"""

from pathlib import Path

from shared.artefact import Model
from tests.deploy.machines import Network
from tests.deploy.ward import Ward, one_redis


def test_a_machine_cut_off_for_longer_than_its_lease_and_one_that_dies_change_nothing(
    net: Network, tmp_path: Path, model: Model
) -> None:
    ward = Ward(net, tmp_path, model, one_redis(net, tmp_path), seconds=22, patients=60, shards=4)
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
