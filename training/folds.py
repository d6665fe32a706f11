"""Folds as typed: ``1-8``, ``9,10``, ``1-3,7``."""

import re

from shared.errors import SelfmisError

_PART = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")


class FoldsError(SelfmisError):
    """Folds cannot be read."""


def parse_folds(text: str) -> tuple[int, ...]:
    """The folds, ascending, each once.

    >>> parse_folds("9,1-3")
    (1, 2, 3, 9)
    """
    folds: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise FoldsError(f"folds {text!r:.40}: write them as 9, 9,10 or 1-8")
        first, last = int(match[1]), int(match[2] or match[1])
        if first < 1 or last < first:
            raise FoldsError(f"folds {text!r:.40}: {part.strip()} is no range of folds from 1 on")
        folds.update(range(first, last + 1))
    return tuple(sorted(folds))
