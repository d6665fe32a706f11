"""Recordings to SelfMIS to model folder, on Ray Train. See docs/training.md."""
