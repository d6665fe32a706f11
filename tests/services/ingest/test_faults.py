"""The simulated network: repeatable dice, honest counts."""

from collections import Counter

import numpy as np

from services.ingest.faults import OUTAGE_SLOT_S, Faults, Network
from services.ingest.parcel import Parcel
from shared.frames import Frames, headers


def parcel(n: int = 1000) -> Parcel:
    header = headers(n)
    header["patient"] = [f"p{i}".encode() for i in range(n)]
    header["first"] = np.arange(n)
    return Parcel(Frames(header, np.zeros((n, 4), np.int16)), np.sort(np.arange(n) % 7))


def carried(network: Network, index: int = 0, taken_s: float = 1.0) -> list[tuple[float, list[int]]]:
    return [(d, p.frames.headers["first"].tolist()) for d, p in network.carry(parcel(), 0, index, taken_s)]


def test_a_perfect_network_hands_on_the_very_parcel() -> None:
    whole = parcel()
    assert [(delay, p is whole) for delay, p in Network(Faults(), 1).carry(whole, 0, 0, 1.0)] == [(0.0, True)]


def test_the_same_seed_meets_the_same_faults() -> None:
    faults = Faults(loss=0.1, duplication=0.1, reorder=0.2, outages_per_hour=20)
    assert carried(Network(faults, 5), 3) == carried(Network(faults, 5), 3)
    assert carried(Network(faults, 5), 3) != carried(Network(faults, 6), 3)


def test_losses_come_as_often_as_asked_and_are_counted() -> None:
    network = Network(Faults(loss=0.1), 1)
    arrived = sum(len(rows) for index in range(20) for _, rows in carried(network, index))
    assert arrived == 20_000 - network.lost
    assert 1700 < network.lost < 2300


def test_a_doubled_frame_arrives_exactly_twice() -> None:
    network = Network(Faults(duplication=0.1), 1)
    times = Counter(row for _, rows in carried(network) for row in rows)
    assert set(times.values()) == {1, 2}
    assert sum(1 for n in times.values() if n == 2) == network.doubled > 50


def test_a_delay_is_never_longer_than_allowed() -> None:
    network = Network(Faults(reorder=0.5, delay_s=0.7), 1)
    delays = [delay for delay, _ in carried(network)]
    assert 0 < max(delays) <= 0.72
    assert sum(len(rows) for _, rows in carried(network)) == 1000


def test_a_buffering_device_sends_everything_when_the_outage_ends() -> None:
    network = Network(Faults(outages_per_hour=30, outage_s=20), 1)
    late = {}
    for second in range(int(OUTAGE_SLOT_S)):
        for delay, rows in carried(network, second, second + 0.5):
            late.update({(row, second): delay for row in rows})
    assert len(late) == 1000 * OUTAGE_SLOT_S
    ends = {}
    for (row, second), delay in late.items():
        if delay:
            ends.setdefault(row, set()).add(round(second + 0.5 + delay, 1))
    assert ends
    assert all(max(end) - min(end) <= 0.11 for end in ends.values())


def test_a_device_without_a_buffer_loses_what_it_took_during_an_outage() -> None:
    network = Network(Faults(outages_per_hour=30, outage_s=20, buffered=False), 1)
    arrived = sum(len(rows) for s in range(int(OUTAGE_SLOT_S)) for _, rows in carried(network, s, s + 0.5))
    assert network.lost > 0
    assert arrived + network.lost == 1000 * OUTAGE_SLOT_S


def test_an_absent_device_sends_nothing_and_changes_nothing_for_others() -> None:
    faults = Faults(loss=0.1, reorder=0.2, outages_per_hour=20)
    gone = Network(faults, 5, {b"p3": (10.0, 20.0)})
    for second in (9.5, 10.0, 19.5, 20.0):
        all_of_them = carried(Network(faults, 5), 1, second)
        left_out = {3} if 10.0 <= second < 20.0 else set()
        expected = [(delay, [row for row in rows if row not in left_out]) for delay, rows in all_of_them]
        assert carried(gone, 1, second) == [(delay, rows) for delay, rows in expected if rows]


def test_an_absent_device_is_counted_as_lost_on_a_perfect_network_too() -> None:
    network = Network(Faults(), 1, {b"p3": (10.0, 20.0)})
    ((_, rows),) = carried(network, 1, 15.0)
    assert 3 not in rows
    assert network.lost == 1000 - len(rows) == 1
