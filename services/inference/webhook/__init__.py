"""Alerts posted to receivers, signed, each at least once (docs/webhook.md)."""
