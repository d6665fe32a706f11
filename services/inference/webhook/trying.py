"""What an answer means, and when to try again: pure."""

from collections.abc import Callable
from enum import Enum

from shared.sections import WebhookSettings

# The receiver says that this very message will never do; some say so in passing, hence a few tries.
UNACCEPTABLE = frozenset({400, 413, 415, 422})
UNACCEPTABLE_TRIES = 5


class Verdict(Enum):
    """What becomes of an alert after a try."""

    DELIVERED = "delivered"
    AGAIN = "again"
    GIVEN_UP = "given_up"


def judge(status: int | None, tries: int, age_s: float, give_up_s: float) -> Verdict:
    """``status``: None without an answer; ``tries`` so far, this one counted; ``age_s`` since the commit.

    A redirect is a failure: the address in the settings is the one that was vouched for.
    """
    if status is not None and 200 <= status < 300:
        return Verdict.DELIVERED
    hopeless = status in UNACCEPTABLE and tries >= UNACCEPTABLE_TRIES
    return Verdict.GIVEN_UP if hopeless or age_s > give_up_s else Verdict.AGAIN


def delay_s(failures: int, settings: WebhookSettings, draw: Callable[[], float]) -> float:
    """How long to wait after the ``failures``-th failure in a row; ``draw``: uniform below 1.

    Doubles up to the most; half of it is random, so that many senders do not knock at once.
    """
    full = min(settings.retry_most_s, settings.retry_first_s * 2.0 ** min(failures - 1, 60))
    return full * (0.5 + draw() / 2)
