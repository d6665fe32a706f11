"""Recordings to SelfMIS to model artefact. Not built yet: see docs/architecture.md."""
