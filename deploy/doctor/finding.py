"""What the doctor says: findings, how bad each is, and examinations of which one that fails hides no other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from shared.errors import SelfmisError


class Grade(IntEnum):
    """How bad. A fault loses data, alarms or the service; a warning will, or hides that it does."""

    OK = 0
    SKIPPED = 1  # could not be looked at; ``said`` says why
    WARNING = 2
    FAULT = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """``check``: what was looked at. ``said``: what was found. ``do``: what to do about it, empty when well."""

    check: str
    grade: Grade
    said: str
    do: str = ""

    def __post_init__(self) -> None:
        if (self.grade >= Grade.WARNING) != bool(self.do):
            raise ValueError(f"{self.check}: what is not well, and only that, comes with what to do")


def ok(check: str, said: str) -> Finding:
    """Looked at, and well."""
    return Finding(check, Grade.OK, said)


def skipped(check: str, why: str) -> Finding:
    """Not looked at."""
    return Finding(check, Grade.SKIPPED, why)


def warning(check: str, said: str, do: str) -> Finding:
    """Not well, but it works."""
    return Finding(check, Grade.WARNING, said, do)


def fault(check: str, said: str, do: str) -> Finding:
    """It does not work, or not for long."""
    return Finding(check, Grade.FAULT, said, do)


Examination = Callable[[], Iterable[Finding]]


def examine(examinations: Iterable[tuple[str, Examination]]) -> Iterator[Finding]:
    """All findings, as they are made. An examination that breaks off is a finding itself."""
    for check, examination in examinations:
        try:
            yield from examination()
        except SelfmisError as error:
            yield fault(check, str(error), "mend that, then ask the doctor again")
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one organ, the others are looked at
            said = f"the examination broke off: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            yield fault(check, said, "ask the doctor again; if it stays, this is a fault of ours: report it")
