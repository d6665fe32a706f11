"""From what a look found to Prometheus families. Pure.

A series that a rule asks for is there from the start, at 0: Prometheus cannot see the first step of a counter that
appears with it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, product

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from services.inference.alarms.census import WAITING
from services.inference.alarms.commands import Outcome as CommandOutcome
from services.inference.alarms.rules import TECHNICAL_PRIORITY
from services.inference.alarms.terms import ACTIVE as ACTIVE_PHASES
from services.inference.alarms.terms import Kind as AlarmKind
from services.inference.alarms.terms import Phase, Priority, Status, Transition
from services.inference.metrics import catalogue as c
from services.inference.metrics.snapshot import Snapshot
from services.inference.monitor.pulse import TIMED, Stage
from services.inference.monitor.speed import ABOVE, EDGES
from shared.artefact import Manifest
from shared.labels import SCORE_NAMES
from shared.quality import REASONS
from shared.score_histogram import SCORE_EDGES

Labels = tuple[str, ...]
Values = Mapping[Labels, float]

NONE = "none"
"""The label of a technical alarm's type: an empty one would be no label at all."""
PRIORITIES = (Priority.LOW, Priority.MEDIUM, Priority.HIGH)

DEAD_REASONS = (
    *("checksum", "count", "empty", "first", "gain", "lead", "length", "patient", "rate", "session_start"),
    *("shape", "truncated", "version"),  # these and those above: `shared.frames.FrameError`
    *("no_batch", "oversized"),  # `monitor.decoding`
    *("future_start", "index", "rate_changed", "wrong_lead"),  # `monitor.shard.LETTERS`
)

REFUSED = ("future_start", "index", "no_room", "rate_changed", "stale_session", "wrong_lead")
"""Why windowing refuses frames."""

# Family in the committed hash -> metric, and the values that are there from the start.
_COMMITTED: Mapping[str, tuple[c.Family, Sequence[Labels]]] = {
    "windows": (c.WINDOWS, [("scored",), ("rejected",), ("missing",)]),
    "rejects": (c.REJECTS, [(reason.label,) for reason in REASONS]),
    "dead_letters": (c.DEAD, [(reason,) for reason in DEAD_REASONS]),
    "commands": (c.COMMANDS, [(outcome,) for outcome in (*(o.value for o in CommandOutcome), "malformed")]),
}
_PHASES = tuple(phase for phase in Phase if phase in ACTIVE_PHASES)
_SCORES, _SUM, _FACTS = "score", "score_sum_e6", "facts"
_CUT = ("complete", "gapped", "unassessable")


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """All that is read in Redis."""
    told = _grouped(snapshot.counters)
    for name, (family, known) in _COMMITTED.items():
        yield _counter(family, dict.fromkeys(known, 0) | told[name])
    facts = {labels[0]: value for labels, value in told[_FACTS].items()}
    yield _counter(c.CUT, {(outcome,): facts.get(f"windows_{outcome}", 0) for outcome in _CUT})
    yield _counter(c.FRAMES, _frames(facts))
    yield _counter(c.SAMPLES, _samples(facts))
    scores = [told[_SCORES].get((f"{edge:.2f}",), 0) for edge in SCORE_EDGES]
    yield _histogram(c.SCORE, {(): (SCORE_EDGES, [*scores, 0], snapshot.counters.get(_SUM, 0) / 1e6)})
    yield _counter(c.ALERTS, _named(_alarms((Transition.BEGAN.value, Transition.ENDED.value)) | told["alerts"]))
    yield _gauge(c.ACTIVE, _named(_alarms([phase.label for phase in _PHASES]) | told["active"]))
    yield _gauge(c.PATIENTS, {(status.label,): 0 for status in Status} | told["patients"])
    yield _gauge(c.MUTED, {(): snapshot.counters.get("muted", 0)})
    yield _counter(c.COMMITS, {(): snapshot.commits})
    yield from _gathered(snapshot)
    yield from _standing(snapshot)


def model_families(manifest: Manifest) -> Iterator[Metric]:
    """What the model folder says."""
    info = InfoMetricFamily(c.MODEL.name, c.MODEL.help)
    values = (
        manifest.name,
        manifest.version,
        manifest.lead,
        str(manifest.preprocessing_version),
        manifest.encoder.family,
    )
    info.add_metric([], dict(zip(c.MODEL.labels, values, strict=True)))
    yield info
    reference = manifest.reference
    if reference is not None:
        yield _histogram(c.REFERENCE, {(): (SCORE_EDGES, [*reference.counts, 0], reference.sum)})


def redis_up(up: bool) -> Metric:
    """Whether Redis answered."""
    return _gauge(c.REDIS_UP, {(): up})


def _gathered(snapshot: Snapshot) -> Iterator[Metric]:
    fast = snapshot.speed
    yield _histogram(c.LATENCY, {(): _buckets(fast, "latency", "latency")})
    yield _histogram(c.STAGES, {(stage,): _buckets(fast, f"stage|{stage}", "stage") for stage in TIMED})
    yield _counter(c.CPU, {(stage,): fast.get(f"cpu_e6|{stage}", 0) / 1e6 for stage in Stage.__slots__})
    yield _histogram(c.BATCH, {(): _buckets(fast, "batch", "batch")})
    yield _counter(c.STEPS, {(): fast.get("steps", 0)})
    yield _counter(c.RELOADS, {(): fast.get("reloads", 0)})
    # Where alarms wait and no replica tells since when, nothing is said: 0 would say that nobody waits.
    active = _grouped(snapshot.counters)["active"].items()
    labels_of = {phase.label for phase in WAITING}
    waiting = {(kind, priority) for (kind, _, priority, phase), count in active if count and phase in labels_of}
    nobody = {(AlarmKind.MI.label, priority.label) for priority in PRIORITIES} - waiting
    ages: dict[Labels, float] = dict.fromkeys(sorted(nobody), 0.0)
    for replica in snapshot.replicas:
        for name, began_us in replica.unacknowledged.items():
            labels = tuple(name.split("|"))
            ages[labels] = max(ages.get(labels, 0.0), (snapshot.now_us - began_us) / 1e6)
    yield _gauge(c.UNSEEN, ages)


def _standing(snapshot: Snapshot) -> Iterator[Metric]:
    yield _gauge(c.REPLICAS, {(): len(snapshot.replicas)})
    yield _gauge(c.REFUSING, {(): sum(replica.refused for replica in snapshot.replicas)})
    yield _gauge(c.SHARDS, {("owned",): snapshot.owned, ("unowned",): snapshot.shards - snapshot.owned})
    yield _gauge(c.LAG, {(): snapshot.lag_s})
    yield _gauge(c.ENTRIES, {(): snapshot.entries})
    yield _gauge(c.MEMORY, {(): sum(used for used, _ in snapshot.memory)})
    shares = [used / limit for used, limit in snapshot.memory if limit]
    if shares:
        yield _gauge(c.FULLEST, {(): max(shares)})


def _grouped(counters: Mapping[str, int]) -> Mapping[str, dict[Labels, float]]:
    groups: dict[str, dict[Labels, float]] = defaultdict(dict)
    for name, value in counters.items():
        family, *labels = name.split("|")
        groups[family][tuple(labels)] = value
    return groups


def _alarms(last: Iterable[str]) -> dict[Labels, float]:
    """Kinds, types and priorities that alarms can have, each with each of ``last``."""
    mi = product((AlarmKind.MI.label,), SCORE_NAMES, (p.label for p in PRIORITIES))
    technical = ((kind.label, "", priority.label) for kind, priority in TECHNICAL_PRIORITY.items())
    return {(*alarm, each): 0 for alarm, each in product((*mi, *technical), tuple(last))}


def _named(values: Values) -> Values:
    return {(kind, type_ or NONE, *rest): value for (kind, type_, *rest), value in values.items()}


def _frames(facts: Mapping[str, float]) -> Values:
    prefix = "frames_"
    refused: dict[Labels, float] = {(reason,): 0 for reason in REFUSED}
    refused |= {(name.removeprefix(prefix),): value for name, value in facts.items() if name.startswith(prefix)}
    return {("taken",): facts.get("frames", 0) - sum(refused.values())} | refused


def _samples(facts: Mapping[str, float]) -> Values:
    return {
        ("placed",): facts.get("samples", 0),
        ("late",): facts.get("samples_late", 0),
        ("duplicate",): facts.get("samples_duplicate", 0),
    }


Buckets = tuple[Sequence[float], Sequence[float], float]
"""Edges, counts of each bucket alone and above the last, sum of the values."""


def _buckets(fast: Mapping[str, int], name: str, family: str) -> Buckets:
    edges = EDGES[family]
    counts = [fast.get(f"{name}|{label}", 0) for label in [*(f"{edge:g}" for edge in edges), ABOVE]]
    return edges, counts, fast.get(f"{name}|sum_e6", 0) / 1e6


def _counter(family: c.Family, values: Values) -> Metric:
    metric = CounterMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in sorted(values.items()):
        metric.add_metric(labels, value)
    return metric


def _gauge(family: c.Family, values: Values) -> Metric:
    metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in sorted(values.items()):
        metric.add_metric(labels, value)
    return metric


def _histogram(family: c.Family, values: Mapping[Labels, Buckets]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for labels, (edges, counts, total) in values.items():
        names = [*(_le(edge) for edge in edges), "+Inf"]
        metric.add_metric(labels, list(zip(names, accumulate(counts), strict=True)), total)
    return metric


def _le(edge: float) -> str:
    text: str = floatToGoString(edge)  # type: ignore[no-untyped-call]  # prometheus_client left it untyped
    return text
