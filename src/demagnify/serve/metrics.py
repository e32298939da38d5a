"""Figures about the service in Prometheus' text format."""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counts requests, files, faces and batches; each service has its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "demagnify_requests", "Requests to classify, by status", ["status"], registry=registry
        )
        self.seconds = Histogram(
            "demagnify_request_seconds",
            "Time from the first byte of a request to its answer",
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_work = Gauge(
            "demagnify_requests_in_work", "Requests that have no answer yet", registry=registry
        )
        self.files = Counter(
            "demagnify_files", "Files, by kind and outcome", ["kind", "outcome"], registry=registry
        )
        self.faces = Counter(
            "demagnify_faces", "Classified faces, by verdict", ["verdict"], registry=registry
        )
        self.batch = Histogram(
            "demagnify_batch_faces", "Faces in a batch", buckets=_SIZES, registry=registry
        )

    def text(self) -> bytes:
        """Returns all figures."""
        return generate_latest(self._registry)
