"""The roof: the command-line program, nothing else. Nothing imports it."""
