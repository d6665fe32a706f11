"""Waiting for what must come before anything can be measured."""

import time
from collections.abc import Callable

from shared.errors import SelfmisError


def until(
    condition: Callable[[], object],
    what: str,
    *,
    who: str,
    seconds: float,
    each_s: float = 0.1,
    error: type[SelfmisError] = SelfmisError,
) -> None:
    """Ask every ``each_s``; after ``seconds`` an error that says who waited for what."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise error(f"bench {who}: waited {seconds:g} s in vain until {what}")
        time.sleep(each_s)
