"""The roof: the command-line program, nothing else. Nothing imports it."""

__version__ = "0.1.0"
