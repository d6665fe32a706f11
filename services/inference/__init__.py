"""Frames to windows to scores to alarms: owned by shard, committed atomically, served by Ray. See docs/architecture.md."""
