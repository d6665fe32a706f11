"""The one base of every error we raise on purpose; the command line turns it into one line."""


class SelfmisError(Exception):
    """Something a person can mend. Its text is one line: who, what, what to do."""
