"""Alerts and audit as FHIR R4 resources (docs/fhir.md): pure functions from what is committed to what is JSON."""
