"""The WebSocket: every message is frames, every message gets one answer, in order.

Up to `WINDOW` messages may be under way on a connection, so that a fast device need not wait
for each confirmation; beyond that the gateway stops reading and the network holds the device back.
Close codes: 1009 a message too large, 1011 no answer to a ping, 1012 the gateway stops, 4408 idle.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.websockets import WebSocket, WebSocketDisconnect

from services.ingest.gateway.frame_json import FrameReader
from services.ingest.gateway.intake import Admitted, Intake, read_batch
from services.ingest.gateway.refusal import Refusal

WINDOW = 16
STOPPING, IDLE = 1012, 4408

_Pending = asyncio.Queue["Admitted | Refusal | None"]


@dataclass(eq=False, slots=True)
class Stream:
    """One connection. ``count`` is told the status of every answer."""

    socket: WebSocket
    intake: Intake
    reader: FrameReader
    stopping: asyncio.Event
    idle_timeout_s: float
    count: Callable[[int], None]
    gone: bool = False

    async def run(self) -> None:
        """Accept, and serve until the client leaves, falls silent, or the gateway stops."""
        await self.socket.accept()
        pending: _Pending = asyncio.Queue(WINDOW)
        answers = asyncio.create_task(self._answer(pending))
        try:
            code = await self._listen(pending)
            await pending.put(None)
            await answers
        finally:
            answers.cancel()
        if code is not None and not self.gone:
            reason = "no message for too long" if code == IDLE else "the gateway is stopping"
            await self._send(self.socket.close(code, reason))

    async def _listen(self, pending: _Pending) -> int | None:
        """Read messages; gives the code to close with, None if the client closed."""
        stopping = asyncio.create_task(self.stopping.wait())
        try:
            while True:
                received = asyncio.create_task(self.socket.receive())
                done, _ = await asyncio.wait(
                    {received, stopping}, timeout=self.idle_timeout_s, return_when=asyncio.FIRST_COMPLETED
                )
                if received not in done:
                    received.cancel()
                    return STOPPING if stopping in done else IDLE
                message = received.result()
                if message["type"] == "websocket.disconnect":
                    self.gone = True
                    return None
                await pending.put(await self._admit(message.get("text"), message.get("bytes")))
        finally:
            stopping.cancel()

    async def _admit(self, text: str | None, data: bytes | None) -> Admitted | Refusal:
        try:
            self.intake.check_ready()
            return await self.intake.admit(self.reader.read(text) if text is not None else read_batch(data or b""))
        except Refusal as refusal:
            return refusal

    async def _answer(self, pending: _Pending) -> None:
        number = 0
        while (admitted := await pending.get()) is not None:
            number += 1
            refusal = admitted if isinstance(admitted, Refusal) else await self._confirmed(admitted)
            if refusal is not None:
                self.count(refusal.status)
                answer = {"ok": False, "id": number, "status": refusal.status, **refusal.body()}
                if refusal.retry_after_s is not None:
                    answer["retry_after_s"] = refusal.retry_after_s
            elif isinstance(admitted, Admitted):
                self.count(200)
                answer = {"ok": True, "id": number, "frames": admitted.frames}
            if not self.gone:
                await self._send(self.socket.send_json(answer))

    async def _confirmed(self, admitted: Admitted) -> Refusal | None:
        try:
            await self.intake.confirmed(admitted)
        except Refusal as refusal:
            return refusal
        return None

    async def _send(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except (WebSocketDisconnect, RuntimeError):
            # Gone between our look and our word; uvicorn says RuntimeError once it has sent a close itself.
            self.gone = True
