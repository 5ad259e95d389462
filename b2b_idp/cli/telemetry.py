"""OpenTelemetry in a served process: spans go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names."""

from __future__ import annotations

import os

from b2b_idp import tracing
from b2b_idp.logs import log
from b2b_idp.version import __version__

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def start() -> None:
    """Where an endpoint is set, has spans made and sent, over HTTP; all else is as OpenTelemetry's own variables say.
    Without the extra the server works on, and says what is missing."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("no spans are sent: pip install 'b2b-idp[otel]'")
        return
    name = os.environ.get("OTEL_SERVICE_NAME", "b2b-idp")
    provider = TracerProvider(resource=Resource.create({"service.name": name, "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    tracing.start()
