"""Frames to windows to scores to alarms, committed atomically by shard, served by Ray (docs/architecture.md)."""
