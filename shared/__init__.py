"""What ingest, inference and training must agree on. Imports nothing else of this project."""
