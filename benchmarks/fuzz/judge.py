"""What one case came to: accepted, clearly refused, or a fault of ours.

A clear refusal is one of our own errors (`SelfmisError`), in one line of at most `LONGEST` printable characters. A
fault is any other exception, an unclear refusal, too much work (processor time, not the clock on the wall: others
work beside us) or too much memory.
"""

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import extract_tb
from types import FrameType, TracebackType
from typing import NoReturn

from shared.errors import SelfmisError

LONGEST = 300
MOST_BYTES = 1 << 29
_OURS = ("shared/", "services/", "training/", "deploy/", "benchmarks/", "selfmis/")


class Overrun(BaseException):
    """A case took more processor time than it may; no ``except Exception`` on its way holds it up."""


class Wrong(Exception):
    """What a door itself finds wrong with how a case was taken: an answer of 5xx, bytes that do not come back."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: ``kind`` (a fixed word or the name of an exception), its words, and where in our code."""

    kind: str
    words: str
    where: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accepted (no ``line``, no ``fault``), refused in a ``line``, or a ``fault``."""

    line: str | None = None
    fault: Fault | None = None


def judge(enter: Callable[[bytes], None], case: bytes, work_s: float) -> Verdict:
    """Hand a case in and say what came of it. Costs some microseconds beside the door's own.

    Work is bounded only within `watched`.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_PROF, work_s)
    try:
        enter(case)
        verdict = Verdict()
    except SelfmisError as refusal:
        verdict = _refused(refusal)
    except Overrun as overrun:
        verdict = Verdict(fault=Fault("overrun", f"more than {work_s:g} s of work", place(overrun.__traceback__)))
    except Exception as error:  # noqa: BLE001 - finding every one of them is what this is for
        words = (str(error).splitlines() or [""])[0][:LONGEST]
        verdict = Verdict(fault=Fault(type(error).__name__, words, place(error.__traceback__)))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if grown > MOST_BYTES and verdict.fault is None:
        return Verdict(fault=Fault("memory", f"{grown >> 20} MiB for a case of {len(case)} bytes", ""))
    return verdict


@contextmanager
def watched() -> Iterator[None]:
    """Bounds the work of each case; in the main thread only, for signals go there."""
    before = signal.signal(signal.SIGPROF, _overrun)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def unclear(line: str) -> str | None:
    """What is wrong with a refusal's words; None where they are one clear line."""
    if not line.strip():
        return "says nothing"
    if len(line.splitlines()) > 1:
        return "has more than one line"
    if len(line) > LONGEST:
        return f"has {len(line)} characters"
    if not line.isprintable():
        return "holds characters that no terminal shows"
    return None


def place(trace: TracebackType | None) -> str:
    """The innermost line of ours in a traceback, the doors' own left out."""
    found = ""
    for frame in extract_tb(trace):
        for folder in _OURS:
            at = frame.filename.rfind(f"/{folder}")
            if at >= 0 and "/site-packages/" not in frame.filename:
                name = frame.filename[at + 1 :]
                if not name.startswith("benchmarks/fuzz/") or not found:
                    found = f"{name}:{frame.lineno}"
    return found


def _refused(refusal: SelfmisError) -> Verdict:
    line = str(refusal)
    why = unclear(line)
    if why is None:
        return Verdict(line)
    shown = f"a refusal {why}: {line!a:.200}"
    return Verdict(fault=Fault("unclear", shown, place(refusal.__traceback__)))


def _overrun(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Overrun
