"""What people ask for: admit, standby, discharge, device, mute, acknowledge, end. The owner does it.

The answer waits a little for the owner. What is not applied by then is pending, and can be looked up.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Header, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.inference.alarms import Action, Command, CommandError, Outcome
from services.inference.alarms.commands import MAX_DEVICE, MAX_MUTE_S, MAX_TEXT
from services.inference.api import answers
from services.inference.api.door import PENDING, Asked, Door
from services.inference.api.errors import Refused
from services.inference.api.patients import may_be
from services.inference.api.sources import Sources
from services.inference.api.ward import shards_of_system_alarm
from shared.frames import FrameError
from shared.labels import SCORE_NAMES
from shared.shards import shard_of

Route = TypeVar("Route", bound=Callable[..., Awaitable[JSONResponse]])
_LOOK_EVERY_S = 0.03
_STATUS = {Outcome.UNKNOWN_PATIENT: 404, Outcome.NOT_ACTIVE: 409}
_LINE = {
    Outcome.UNKNOWN_PATIENT: "no such patient, or discharged",
    Outcome.NOT_ACTIVE: "no such alarm is active",
}

Who = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT)]
Why = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="any text of the caller's; asked again with it, a command is not given a second time",
    ),
]
AlarmId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="the id of an alarm, as alerts have it")]


class Reason(BaseModel):
    """Who asks, and why: both are audited."""

    model_config = ConfigDict(extra="forbid")

    who: Who
    why: Why = ""


class Device(Reason):
    """The device that a patient is given; empty takes it away."""

    device: Annotated[str, StringConstraints(max_length=MAX_DEVICE)]


class Mute(Reason):
    """A known finding: its types (none: those of the alarm in force), up to which priority, and for how long."""

    types: Annotated[list[str], Field(max_length=len(SCORE_NAMES))] = []
    ceiling: str = ""
    for_s: Annotated[float, Field(gt=0, le=MAX_MUTE_S)] | None = None


ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"model": answers.Pending, "description": "asked for, not applied yet"},
    404: {"model": answers.Error, "description": "no such patient, or discharged"},
    409: {"model": answers.Error, "description": "no such alarm is active"},
    413: {"model": answers.Error, "description": "the body is too large"},
}


def routes(sources: Sources) -> APIRouter:
    """Commands."""
    router = APIRouter(prefix="/api", tags=["commands"])

    def command(method: str, path: str) -> Callable[[Route], Route]:
        return router.api_route(path, methods=[method], response_model=answers.Command, responses=ANSWERS)

    async def ask(action: Action, patient: str, reason: Reason, key: str, **more: Any) -> JSONResponse:
        if not may_be(patient):
            raise Refused(404, _LINE[Outcome.UNKNOWN_PATIENT])
        asked = await to_thread.run_sync(
            lambda: [
                Door(sources.client).append(
                    shard_of(patient.encode(), sources.shards), _command(action, patient, reason, **more), key
                )
            ]
        )
        return await _answered(sources, asked)

    @command("POST", "/patients/{patient:path}/admit")
    async def admit(patient: str, reason: Reason, key: Key = "") -> JSONResponse:
        """Watch this patient, whether heard already or only expected."""
        return await ask(Action.ADMIT, patient, reason, key)

    @command("POST", "/patients/{patient:path}/standby")
    async def standby(patient: str, reason: Reason, key: Key = "") -> JSONResponse:
        """Nothing alarms until admitted again; windows are still counted."""
        return await ask(Action.STANDBY, patient, reason, key)

    @command("POST", "/patients/{patient:path}/discharge")
    async def discharge(patient: str, reason: Reason, key: Key = "") -> JSONResponse:
        """This patient is no longer watched; known findings are forgotten."""
        return await ask(Action.DISCHARGE, patient, reason, key)

    @command("PUT", "/patients/{patient:path}/device")
    async def device(patient: str, wish: Device, key: Key = "") -> JSONResponse:
        """Note which device this patient wears; an empty one takes it away."""
        return await ask(Action.DEVICE, patient, wish, key, device=wish.device)

    @command("POST", "/patients/{patient:path}/mute")
    async def mute(patient: str, wish: Mute, key: Key = "") -> JSONResponse:
        """A known finding: it ends the alarm that it covers and keeps it from beginning again."""
        return await ask(
            Action.MUTE, patient, wish, key, types=tuple(wish.types), ceiling=wish.ceiling, for_s=wish.for_s
        )

    @command("POST", "/patients/{patient:path}/unmute")
    async def unmute(patient: str, reason: Reason, key: Key = "") -> JSONResponse:
        """The finding is no longer known."""
        return await ask(Action.UNMUTE, patient, reason, key)

    @command("POST", "/patients/{patient:path}/alarms/{alarm}/acknowledge")
    async def acknowledge(patient: str, alarm: AlarmId, reason: Reason, key: Key = "") -> JSONResponse:
        """Somebody knows of this alarm."""
        return await ask(Action.ACKNOWLEDGE, patient, reason, key, alarm=alarm)

    @command("POST", "/patients/{patient:path}/alarms/{alarm}/end")
    async def end(patient: str, alarm: AlarmId, reason: Reason, key: Key = "") -> JSONResponse:
        """This alarm is over."""
        return await ask(Action.END, patient, reason, key, alarm=alarm)

    async def ask_system(action: Action, alarm: str, reason: Reason, key: str) -> JSONResponse:
        # Such an alarm has no patient to tell the shard: all are asked.
        shards = await to_thread.run_sync(lambda: shards_of_system_alarm(sources.client, sources.shards, alarm))
        if not shards:
            raise Refused(409, _LINE[Outcome.NOT_ACTIVE])
        wish = _command(action, "", reason, alarm=alarm)
        asked = await to_thread.run_sync(
            lambda: [Door(sources.client).append(shard, wish, key) for shard in shards]
        )
        return await _answered(sources, asked)

    @command("POST", "/system/alarms/{alarm}/acknowledge")
    async def acknowledge_system(alarm: AlarmId, reason: Reason, key: Key = "") -> JSONResponse:
        """Somebody knows of this system alarm."""
        return await ask_system(Action.ACKNOWLEDGE, alarm, reason, key)

    @command("POST", "/system/alarms/{alarm}/end")
    async def end_system(alarm: AlarmId, reason: Reason, key: Key = "") -> JSONResponse:
        """This system alarm is over."""
        return await ask_system(Action.END, alarm, reason, key)

    @router.get(
        "/commands/{shard}/{command}",
        response_model=answers.Command,
        responses={404: {"model": answers.Error, "description": "no such shard"}},
    )
    def outcome(
        shard: Annotated[int, Path(ge=0)], command: Annotated[str, Path(pattern=r"^\d{1,15}-\d{1,15}$")]
    ) -> JSONResponse:
        """What came of a command: pending, the owner's word, or forgotten when the audit no longer has it."""
        if shard >= sources.shards:
            raise Refused(404, "no such shard")
        return JSONResponse({"command": command, "outcome": Door(sources.client).outcome(Asked(shard, command))})

    return router


def _command(action: Action, patient: str, reason: Reason, **more: Any) -> Command:
    try:
        # The stream gives the id; this one only has to be there.
        return Command("new", action, patient, reason.who, reason.why, time.time_ns() // 1000, **more)
    except (CommandError, FrameError) as error:
        raise Refused(422, str(error)) from None


async def _answered(sources: Sources, asked: Sequence[Asked]) -> JSONResponse:
    """Wait for the owners; of several the best outcome is the answer."""
    deadline = time.monotonic() + sources.settings.api.command_wait_s
    while True:
        outcomes = await to_thread.run_sync(lambda: [Door(sources.client).outcome(each) for each in asked])
        if PENDING not in outcomes or time.monotonic() >= deadline:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    sources.ward.forget()
    best = min(range(len(asked)), key=lambda i: _order(outcomes[i]))
    first, outcome = asked[best], outcomes[best]
    where = f"/api/commands/{first.shard}/{first.id}"
    if outcome == PENDING:
        return JSONResponse(
            {"command": first.id, "outcome": outcome, "where": where}, status_code=202, headers={"Location": where}
        )
    if outcome in _STATUS:
        return JSONResponse({"error": _LINE[Outcome(outcome)]}, status_code=_STATUS[Outcome(outcome)])
    return JSONResponse({"command": first.id, "outcome": outcome})


def _order(outcome: str) -> int:
    known = (Outcome.APPLIED, Outcome.ALREADY, PENDING, Outcome.NOT_ACTIVE)
    return known.index(outcome) if outcome in known else len(known)
