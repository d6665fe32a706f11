"""What a recording that cannot be read raises; the caller, who knows the file, names it."""

from shared.errors import SelfmisError


class RecordingError(SelfmisError):
    """A recording that cannot be used: says why, and the caller says which."""
