"""The long-running parts: `ingest` brings patients in, `inference` turns their frames into alarms."""
