"""What every view draws on: the connection, the shared readers, the model in use; once a process, when needed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from anyio import CapacityLimiter

from services.inference.api.alert_log import AlertLog
from services.inference.api.follower import Follower
from services.inference.api.model_in_use import ModelInUse
from services.inference.api.recent import RecentWard
from services.inference.api.sse import Streams
from services.inference.api.strip_log import StripLog
from services.inference.api.strip_tail import Tail
from services.inference.api.ward import read_ward
from shared.frames import LEADS
from shared.redis.connection import Client
from shared.settings import Settings

# Looks at raw waveform take the most memory and bandwidth: so many at a time, others wait.
_STRIP_LOOKS = 2


@dataclass(frozen=True)
class Sources:
    """``connected`` gives the client; may raise what `connect` does. ``folder``: the model."""

    connected: Callable[[], Client]
    settings: Settings
    folder: str

    @property
    def client(self) -> Client:
        """The one client of this process; threads share it."""
        return self.connected()

    @property
    def shards(self) -> int:
        """How many there are."""
        return self.settings.stream.shards

    @cached_property
    def model(self) -> ModelInUse:
        """The model that the monitor uses."""
        return ModelInUse(self.folder)

    @cached_property
    def ward(self) -> RecentWard:
        """Everybody at a glance."""
        return RecentWard(lambda: read_ward(self.client, self.shards))

    @property
    def alerts(self) -> AlertLog:
        """The committed alerts."""
        return AlertLog(self.client, self.shards)

    @property
    def strips(self) -> StripLog:
        """Raw waveform."""
        return StripLog(self.client, self.shards, LEADS.index(self.settings.window.lead))

    @cached_property
    def follower(self) -> Follower:
        """The shared reader of new alerts."""
        return Follower(lambda: self.alerts)

    @cached_property
    def tail(self) -> Tail:
        """The shared reader of new waveform."""
        return Tail(lambda: self.strips)

    @cached_property
    def streams(self) -> Streams:
        """How many streams are open."""
        return Streams(self.settings.api.max_streams)

    @cached_property
    def strip_looks(self) -> CapacityLimiter:
        """Holds back looks at raw waveform."""
        return CapacityLimiter(_STRIP_LOOKS)


def opened_once(connect: Callable[[], Client]) -> Callable[[], Client]:
    """The same client every time, made at the first call that succeeds."""
    lock = threading.Lock()
    made: list[Client] = []

    def client() -> Client:
        with lock:
            if not made:
                made.append(connect())
            return made[0]

    return client
