"""Which model the monitor really uses: what its replicas say of themselves, not what the API was started with."""

import threading
from dataclasses import dataclass

from services.inference.monitor.pulse import pulses
from shared.artefact import Manifest, verify
from shared.errors import SelfmisError
from shared.redis.connection import Client


class OtherModel(SelfmisError):
    """The folder holds another model than the one that was loaded from it."""


@dataclass(frozen=True, slots=True)
class InUse:
    """A model: ``version`` is ``name:version``, empty where no replica speaks."""

    folder: str
    version: str


class ModelInUse:
    """Finds and reads it; each folder is read once for each version. ``folder``: where no replica speaks."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read: dict[InUse, Manifest] = {}

    def now(self, client: Client) -> InUse:
        """What most replicas use; after a change that is under way on some, the one of more shards."""
        shards: dict[InUse, int] = {}
        for _, told in pulses(client):
            found = InUse(told.get("folder") or self._folder, told["model"])
            shards[found] = shards.get(found, 0) + int(told["shards"])
        return max(shards, key=lambda each: (shards[each], each.version), default=InUse(self._folder, ""))

    def manifest(self, in_use: InUse) -> Manifest:
        """Its manifest. Raises what `shared.artefact.verify` does, and `OtherModel`."""
        with self._lock:
            known = self._read.get(in_use)
            if known is None:
                known = verify(in_use.folder)
                found = f"{known.name}:{known.version}"
                if in_use.version not in {"", found}:
                    raise OtherModel(f"the monitor uses {in_use.version}, but its folder now holds {found}")
                self._read = {in_use: known}
            return known
