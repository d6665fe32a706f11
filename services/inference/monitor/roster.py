"""Which device each patient was given: what people said, for people; samples tell by themselves whose they are."""

from collections.abc import Mapping

from services.inference.alarms import Applied, Command, Outcome, Status
from services.inference.alarms.standing import Standing


class Roster:
    """The devices of a shard's patients. Built from what is committed; `changed` gives what is to be."""

    def __init__(self, committed: Mapping[bytes, bytes]) -> None:
        self._devices = dict(committed)
        self._changed: dict[bytes, bytes | None] = {}

    def command(self, command: Command, standing: Standing | None) -> Applied:
        """Give a patient a device, or take it away. ``standing``: None where nobody knows such a patient."""
        if standing is None or standing.status is Status.DISCHARGED:
            return Applied(Outcome.UNKNOWN_PATIENT)
        device = command.device.encode()
        if self._devices.get(command.name, b"") == device:
            return Applied(Outcome.ALREADY)
        if device:
            self._devices[command.name] = device
        else:
            del self._devices[command.name]
        self._changed[command.name] = device or None
        return Applied(Outcome.APPLIED)

    def changed(self) -> dict[bytes, bytes | None]:
        """What changed since the last call."""
        changed, self._changed = self._changed, {}
        return changed
