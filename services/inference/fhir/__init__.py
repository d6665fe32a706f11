"""Alerts as FHIR R4 resources (docs/fhir.md): pure functions from a committed alert to what JSON is made of."""
