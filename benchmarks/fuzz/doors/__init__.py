"""The doors: all places where bytes of others come in, each with its part of the cases."""

from benchmarks.fuzz.door import Door
from shared.errors import SelfmisError

DOORS: tuple[Door, ...] = (
    Door("frames", "streams", "record batches", 20, ("shared.frames",)),
    Door(
        "shard-streams",
        "streams",
        "entries and commands of a shard's streams, to the facts of a commit",
        1,
        ("services.inference.windows", "services.inference.monitor", "services.inference.alarms"),
    ),
    Door(
        "shard-state",
        "streams",
        "a shard's committed state, as a new owner loads it",
        30,
        ("services.inference.windows", "services.inference.alarms", "shared.position"),
    ),
    Door("frame-json", "words", "frames as JSON", 20, ("services.ingest.gateway.frame_json",)),
    Door("command", "words", "commands of people in Redis", 100, ("services.inference.alarms.commands",)),
    Door("alert", "words", "committed alerts in Redis", 30, ("services.inference.alarms.alert",)),
    Door("layout", "words", "the pinned layout in Redis", 220, ("shared.pinning",)),
    Door("cursor", "words", "cursors of event streams and pages", 300, ("services.inference.api.cursor",)),
    Door("fhir-search", "words", "parameters of FHIR searches", 60, ("services.inference.fhir.search",)),
    Door("redis-url", "words", "URLs of Redis", 180, ("shared.redis.address",)),
    Door("scenario", "files", "scenario files", 3, ("services.ingest.scenario",)),
    Door("settings", "files", "settings: file, environment, command line", 2, ("shared.settings",)),
    Door(
        "user-config", "files", "user_config of a running monitor", 2, ("services.inference.serving.user_config",)
    ),
    Door("tokens", "files", "the file of API tokens", 8, ("services.inference.api.access",)),
    Door("figures", "files", "stored figures of benchmarks", 3, ("benchmarks.docs", "deploy.plan")),
    Door("upload", "recordings", "recordings to score: JSON, CSV, zip", 4, ("services.inference.api.uploads",)),
    Door("wfdb", "recordings", "WFDB records to stream", 2, ("shared.wfdb", "services.ingest.recordings")),
    Door("csv", "recordings", "CSV files to stream", 2, ("services.ingest.recordings",)),
    Door("npy", "recordings", "NumPy files to stream", 4, ("services.ingest.recordings",)),
    Door("manifest", "models", "manifests of model folders", 4, ("shared.artefact.manifest",)),
    Door("model", "models", "model folders, to the golden check", 1, ("shared.artefact",), 30.0),
    Door("run", "training", "run folders: encoder, head, decision, history", 1, ("training.runs",)),
    Door("checkpoint", "training", "checkpoints of a run", 4, ("training.pretrain.state",)),
    Door("store", "training", "stores of training", 1, ("training.store",)),
    Door("labels", "training", "labels of recordings (CSV)", 1, ("training.prepare",)),
    Door("hdf5-mapping", "training", "mappings of HDF5 files", 8, ("training.prepare.hdf5",)),
    Door("replay", "training", "scored replays to tune alarms on", 2, ("benchmarks.scored_replays",)),
)


def named(names: list[str] | None) -> tuple[Door, ...]:
    """The doors of these names, in order; all without."""
    known = {door.name: door for door in DOORS}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise SelfmisError(f"bench fuzz: no door {unknown[0]!r}; there are {', '.join(known)}")
    return DOORS if not names else tuple(door for door in DOORS if door.name in names)
