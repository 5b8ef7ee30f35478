"""Spans for OpenTelemetry: one for each answer, in the caller's trace, without a word of question or answer.

On where OTEL_EXPORTER_OTLP_ENDPOINT is set; the SDK reads that and its other variables. A span is made when its answer is over, and
sent by a thread of the SDK, so that no answer waits for it.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from osler.errors import missing_package

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Spans:
    """Makes spans.

    Args:
        provider: where they go.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider, self._parents = provider, TraceContextTextMapPropagator()
        self._tracer = provider.get_tracer("osler.serve")

    def add(self, name: str, seconds: float, traceparent: str, facts: Mapping[str, str | int]) -> None:
        """A span that ends now.

        Args:
            traceparent: the caller's trace (W3C); empty for none.
        """
        now = time.time_ns()
        parent = self._parents.extract({"traceparent": traceparent})
        began = now - int(1e9 * seconds)
        self._tracer.start_span(name, parent, attributes=dict(facts), start_time=began).end(now)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def open_spans() -> Spans | None:
    """Spans as the environment asks for them; None where it does not.

    Raises:
        EnvironmentLacks: it does, and the extra is not installed.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "opentelemetry", "OpenTelemetry", "otel") from error
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "osler"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider)
