"""Frames to windows to scores to alarms. Not built yet: see docs/architecture.md."""
