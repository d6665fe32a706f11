"""One file per encoder family, each with a `FAMILY`; `shared.encoder.registry` finds them here."""
