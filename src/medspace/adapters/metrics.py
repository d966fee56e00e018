"""Prometheus metrics of one connector, in a registry of its own: several connectors share a process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What a connector counts. Labels are closed sets: no identifiers, no numbers of patients."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "medspace_requests_total", "Requests answered", ["listener", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "medspace_request_seconds", "Time to answer a request", ["listener"], registry=self._registry
        )
        self.entries = Gauge("medspace_log_entries", "Entries in the log", registry=self._registry)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self._registry)
