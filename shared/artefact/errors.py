"""Why a model folder is refused."""

from shared.errors import SelfmisError


class ArtefactError(SelfmisError):
    """A model folder cannot be written, trusted or used; its one line names what is wrong."""


def shown(value: object) -> str:
    """A value from an untrusted file, fit for one line: quoted, escaped and cut short."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
