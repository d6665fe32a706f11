"""Prometheus metrics of the monitor: a view over what was committed, that any API replica can give.

catalogue   every metric: name, kind, labels, help; docs/metrics.md shows it
snapshot    what one look at Redis found, as values; the edge
families    from those values to Prometheus families; pure
collector   both as a collector on a registry of its own, and the two text formats
"""

from services.inference.metrics.collector import MonitorCollector, exposition

__all__ = ["MonitorCollector", "exposition"]
