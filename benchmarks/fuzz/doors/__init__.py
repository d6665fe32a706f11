"""The doors: all places where bytes of others come in, each with its part of the cases."""

from benchmarks.fuzz.door import Door
from shared.errors import SelfmisError

DOORS: tuple[Door, ...] = (
    Door("frames", "streams", "record batches", 240, ("shared.frames",)),
    Door(
        "shard-streams",
        "streams",
        "entries and commands of a shard's streams, to the facts of a commit",
        8,
        ("services.inference.windows", "services.inference.monitor", "services.inference.alarms"),
    ),
    Door(
        "shard-state",
        "streams",
        "a shard's committed state, as a new owner loads it",
        30,
        ("services.inference.windows", "services.inference.alarms", "shared.position"),
    ),
    Door("frame-json", "words", "frames as JSON", 100, ("services.ingest.gateway.frame_json",)),
    Door("command", "words", "commands of people in Redis", 100, ("services.inference.alarms.commands",)),
    Door("alert", "words", "committed alerts in Redis", 60, ("services.inference.alarms.alert",)),
    Door("layout", "words", "the pinned layout in Redis", 60, ("shared.pinning",)),
    Door("cursor", "words", "cursors of event streams and pages", 100, ("services.inference.api.cursor",)),
    Door("fhir-search", "words", "parameters of FHIR searches", 80, ("services.inference.fhir.search",)),
    Door("redis-url", "words", "URLs of Redis", 80, ("shared.redis_address",)),
    Door("scenario", "files", "scenario files", 16, ("services.ingest.scenario",)),
    Door("settings", "files", "settings: file, environment, command line", 10, ("shared.settings",)),
    Door(
        "user-config", "files", "user_config of a running monitor", 16, ("services.inference.serving.user_config",)
    ),
    Door("tokens", "files", "the file of API tokens", 60, ("services.inference.api.access",)),
    Door("figures", "files", "stored figures of benchmarks", 30, ("benchmarks.docs", "deploy.plan")),
    Door("upload", "recordings", "recordings to score: JSON, CSV, zip", 30, ("services.inference.api.uploads",)),
    Door("wfdb", "recordings", "WFDB records to stream", 20, ("shared.wfdb", "services.ingest.recordings")),
    Door("csv", "recordings", "CSV files to stream", 10, ("services.ingest.recordings",)),
    Door("npy", "recordings", "NumPy files to stream", 20, ("services.ingest.recordings",)),
    Door("manifest", "models", "manifests of model folders", 40, ("shared.artefact.manifest",)),
    Door("model", "models", "model folders, to the golden check", 3, ("shared.artefact",), 30.0),
    Door("run", "training", "run folders: encoder, head, decision, history", 6, ("training.runs",)),
    Door("checkpoint", "training", "checkpoints of a run", 20, ("training.pretrain.state",)),
    Door("store", "training", "stores of training", 6, ("training.store",)),
    Door("labels", "training", "labels of recordings (CSV)", 6, ("training.prepare",)),
    Door("hdf5-mapping", "training", "mappings of HDF5 files", 16, ("training.prepare.hdf5",)),
    Door("replay", "training", "scored replays to tune alarms on", 6, ("benchmarks.scored_replays",)),
)


def named(names: list[str] | None) -> tuple[Door, ...]:
    """The doors of these names, in order; all without."""
    known = {door.name: door for door in DOORS}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise SelfmisError(f"bench fuzz: no door {unknown[0]!r}; there are {', '.join(known)}")
    return DOORS if not names else tuple(door for door in DOORS if door.name in names)
