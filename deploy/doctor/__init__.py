"""Is this deployment well? A module an organ, judgements that are pure, and what to do about each finding."""
