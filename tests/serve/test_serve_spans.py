"""OpenTelemetry: a span for each answer, in the caller's trace, without text."""

import pytest

from osler.serve import gateway as gateway_module
from osler.serve.spans import Spans, open_spans

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")


@pytest.fixture
def spans(monkeypatch):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(gateway_module, "open_spans", lambda: Spans(provider))
    return kept


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_a_span_of_its_callers_trace_without_a_word_of_it(spans, make_bench, stream):
    bench = make_bench()
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    bench.ask("What is asthma?", {**bench.headers, "traceparent": f"00-{trace}-{parent}-01"}, stream=stream)
    (span,) = spans.get_finished_spans()
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (trace, parent)
    assert span.start_time < span.end_time
    assert span.attributes["osler.action"] == "allow"
    assert "asthma" not in span.to_json().lower()


def test_without_an_endpoint_there_are_none(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    assert open_spans() is None
