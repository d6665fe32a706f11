"""Waiting for something, but not for ever."""

import asyncio
from collections.abc import Awaitable


async def within(seconds: float, something: Awaitable[object]) -> bool:
    """Whether it came within so many seconds; if not, it is cancelled."""
    try:
        await asyncio.wait_for(something, seconds)
    except TimeoutError:
        return False
    return True
