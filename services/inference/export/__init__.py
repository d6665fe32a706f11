"""Committed alerts into a folder, as WFDB records and FHIR resources (docs/export.md)."""
