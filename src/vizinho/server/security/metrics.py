"""What a server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from vizinho.records import Transcript

_REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counters of one server; a registry of its own, so that several servers may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"vizinho_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"vizinho_{name}", text, labels, registry=self.registry)

        self.requests = counter("requests_total", "Requests answered", "route", "status")
        self.refusals = counter("refusals_total", "Requests and streams refused, by code", "code")
        self.request_seconds = Histogram(
            "vizinho_request_seconds", "Time to an answer", ("route",), registry=self.registry, buckets=_REQUEST_SECONDS
        )
        self.audio_seconds = counter("audio_seconds_total", "Audio transcribed", "kind", "model")
        self.work_seconds = counter("work_seconds_total", "Time that workers spent on recordings")
        self.waiting = gauge("waiting_requests", "Recordings that wait for a worker")
        self.connections = gauge("connections", "Open connections")
        self.streams = gauge("streams", "Open streams")
        self.late_seconds = gauge("stream_late_seconds", "How long messages of streams wait for their worker")
        self.held_bytes = gauge("held_bytes", "Bodies in memory")
        self.workers_ready = gauge("workers_ready", "Workers that take work")
        self.worker_bytes = gauge("worker_resident_bytes", "Resident memory", "worker")
        self.restarts = counter("worker_restarts_total", "Workers that ended and were replaced", "reason")

    def transcribed(self, channels: Iterable[Transcript], model: str) -> None:
        """Count the audio of a recording, a transcript for each channel; `model` is NAME@VERSION."""
        seconds = sum(t.duration_seconds for t in channels)
        self.audio_seconds.labels(kind="recording", model=model).inc(seconds)

    def page(self) -> bytes:
        """All of it in Prometheus' text format."""
        return bytes(generate_latest(self.registry))
