"""Patients in: sources give frames, the sender packs them into record batches and pushes them to Redis."""
