"""Below ``/fhir`` every refusal is an OperationOutcome, whichever layer refused."""

import json

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.inference.api.patient_json import as_json
from services.inference.fhir.bundle import outcome
from services.inference.fhir.coding import MEDIA_TYPE

BELOW = "/fhir"


class FhirRefusals:
    """Rewrites ``{"error": "one line"}``; status and headers stay. Outside all that refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(f"{BELOW}/"):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def rewritten(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and message["status"] >= 400:
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            said = as_json(outcome(start["status"], json.loads(body)["error"])) if body else b""
            headers = MutableHeaders(scope=start)
            headers["content-type"], headers["content-length"] = MEDIA_TYPE, str(len(said))
            await send(start)
            await send({"type": "http.response.body", "body": said})

        await self._app(scope, receive, rewritten)
