"""Committed alerts and the audit into a folder, as WFDB records and FHIR resources (docs/export.md)."""
