"""The signature of a message: HMAC-SHA256 over the second it was sent and its body, against forgery and replay."""

import hashlib
import hmac
import re

HEADER = "Selfmis-Signature"
TOLERANCE_S = 300
_FORM = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def signature(secret: str, body: bytes, at_s: int) -> str:
    """The header's value.

    >>> signature("a secret of 16 b.", b"{}", 1700000000)[:26]
    't=1700000000,v1=d01b004678'
    """
    return f"t={at_s},v1={_digest(secret, body, at_s)}"


def verified(secret: str, body: bytes, header: str, now_s: float) -> bool:
    """Whether ``body`` came from who knows the secret, within `TOLERANCE_S`: what a receiver must ask."""
    match = _FORM.fullmatch(header)
    if match is None or abs(now_s - int(match[1])) > TOLERANCE_S:
        return False
    return hmac.compare_digest(match[2], _digest(secret, body, int(match[1])))


def _digest(secret: str, body: bytes, at_s: int) -> str:
    return hmac.new(secret.encode(), b"%d." % at_s + body, hashlib.sha256).hexdigest()
