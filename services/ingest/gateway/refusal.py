"""Why a request is not taken: the one shape that every error answer of the gateway has."""

from collections.abc import Mapping

from shared.errors import SelfmisError


class Refusal(SelfmisError):
    """A request that is refused: an HTTP status, a fixed countable ``reason``, and one line for people.

    The line never holds what the client sent (it may name a patient), only where in it the fault lies.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        text: str,
        *,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)

    def body(self) -> dict[str, str]:
        """The JSON object of the answer."""
        return {"error": str(self), "reason": self.reason}


def in_frame(index: int, field: str, reason: str, rule: str) -> Refusal:
    """A 422 for one field of one frame."""
    return Refusal(422, reason, f"frame {index}, {field}: {rule}")
