"""Prometheus metrics. What must survive restarts and count once comes from the database, read at every scrape."""

from orchestrator.metrics.collector import Metrics

__all__ = ["Metrics"]
