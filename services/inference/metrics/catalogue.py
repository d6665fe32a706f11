"""Every metric of the monitor: its name, kind, labels and what it says. The one place where they stand.

Labels take a fixed few words each, never a patient, a session, a replica or anything else that grows.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

COMMITTED, WATCHED, LOOKED = "committed", "gathered", "looked up"


class Kind(StrEnum):
    """Prometheus' kinds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. ``name`` is without a counter's ``_total``. ``source``: where its value comes from.

    `COMMITTED`: added up in the same commit as what it counts, so exact whatever crashes. `WATCHED`: gathered from
    replicas, at most once. `LOOKED`: seen in Redis or in the model folder at the moment of the scrape.
    """

    name: str
    kind: Kind
    source: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def exposed(self) -> str:
        """The name as a query uses it."""
        suffix = {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")
        return f"{self.name}{suffix}"


def _family(name: str, kind: Kind, source: str, text: str, *labels: str) -> Family:
    return Family(f"selfmis_{name}", kind, source, text, labels)


C, G, H, I = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM, Kind.INFO  # noqa: E741 - letters of a table

WINDOWS = _family(
    "windows",
    C,
    COMMITTED,
    "Windows by outcome: scored, rejected by the quality gate, or missing too many samples.",
    "outcome",
)
REJECTS = _family(
    "quality_rejects", C, COMMITTED, "Windows that the quality gate refused, by the main reason.", "reason"
)
CUT = _family(
    "windows_cut",
    C,
    COMMITTED,
    "Windows as they were cut: complete, gapped (interpolated) or unassessable.",
    "outcome",
)
FRAMES = _family("frames", C, COMMITTED, "Frames read from the streams: taken, or why refused.", "outcome")
SAMPLES = _family(
    "samples", C, COMMITTED, "Samples of frames that were taken: placed, late or duplicate.", "outcome"
)
SCORE = _family("any_mi_score", H, COMMITTED, "Calibrated probability of any infarct, of all scored windows.")
ALERTS = _family(
    "alerts",
    C,
    COMMITTED,
    "Alerts by what they are about and what they announce.",
    "kind",
    "type",
    "priority",
    "transition",
)
ACTIVE = _family(
    "alarms_active",
    G,
    COMMITTED,
    "Alarms that are active now: raised, latched or acknowledged.",
    "kind",
    "type",
    "priority",
    "phase",
)
PATIENTS = _family("patients", G, COMMITTED, "Patients known, by state.", "state")
MUTED = _family("patients_muted", G, COMMITTED, "Patients with a known finding that is muted.")
COMMANDS = _family("commands", C, COMMITTED, "Commands of people by outcome.", "outcome")
DEAD = _family("dead_letters", C, COMMITTED, "Entries or frames that could not be used, by reason.", "reason")
COMMITS = _family("commits", C, COMMITTED, "Steps that were committed.")

UNSEEN = _family(
    "alarm_unacknowledged_age_seconds",
    G,
    WATCHED,
    "How long the oldest alarm has waited for a person; 0 if none waits.",
    "kind",
    "priority",
)
LATENCY = _family(
    "sample_to_commit_seconds",
    H,
    WATCHED,
    "Time from the last sample of a complete window to the commit of its score.",
)
STAGES = _family(
    "stage_seconds",
    H,
    WATCHED,
    "Elapsed time of each stage of a step; wait: of its oldest entry, in Redis.",
    "stage",
)
CPU = _family("stage_cpu_seconds", C, WATCHED, "Processor time of each stage.", "stage")
BATCH = _family("batch_windows", H, WATCHED, "Windows in one step, which go through the model together.")
STEPS = _family("steps", C, WATCHED, "Steps of all replicas that read something.")
RELOADS = _family("shard_loads", C, WATCHED, "Times that a replica loaded a shard from what was committed.")

REPLICAS = _family("replicas", G, LOOKED, "Live replicas of the monitor.")
REFUSING = _family(
    "replicas_refusing_configuration",
    G,
    LOOKED,
    "Replicas that refused the newest configuration and go on with the one before.",
)
SHARDS = _family("shards", G, LOOKED, "Shards that a replica owns, and those that nobody reads.", "state")
LAG = _family(
    "lag_seconds", G, LOOKED, "How long the oldest entry that is not committed has been in Redis; 0 if all are."
)
ENTRIES = _family("stream_entries", G, LOOKED, "Entries kept in the streams.")
REDIS_UP = _family(
    "redis_up", G, LOOKED, "1 if Redis answered this scrape; if 0, all that is read there is absent."
)
MEMORY = _family("redis_memory_bytes", G, LOOKED, "Memory that Redis uses, all masters together.")
FULLEST = _family(
    "redis_memory_ratio",
    G,
    LOOKED,
    "Share of its limit that the fullest Redis master uses; absent without a limit.",
)
MODEL = _family(
    "model",
    I,
    LOOKED,
    "The model that the monitor uses.",
    "name",
    "version",
    "lead",
    "preprocessing",
    "encoder",
)
REFERENCE = _family(
    "model_reference_score",
    H,
    LOOKED,
    "Any-MI scores of the model on its reference recordings; absent if its manifest has none.",
)

CATALOGUE: Final = (
    WINDOWS, REJECTS, CUT, FRAMES, SAMPLES, SCORE, ALERTS, ACTIVE, PATIENTS, MUTED, COMMANDS, DEAD, COMMITS,
    UNSEEN, LATENCY, STAGES, CPU, BATCH, STEPS, RELOADS,
    REPLICAS, REFUSING, SHARDS, LAG, ENTRIES, REDIS_UP, MEMORY, FULLEST, MODEL, REFERENCE,
)  # fmt: skip


def markdown() -> str:
    """The catalogue as a table, for docs/metrics.md."""
    rows = [
        f"| `{f.exposed}` | {f.kind.value} | {', '.join(f.labels) or '–'} | {f.source} | {f.help} |"
        for f in CATALOGUE
    ]
    return "\n".join(["| metric | kind | labels | source | what |", "|---|---|---|---|---|", *rows])
