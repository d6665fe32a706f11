"""Frames to windows to scores to alarms. `windows` cuts samples into windows; the rest is being built."""
