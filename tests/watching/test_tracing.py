"""Spans: what a sign-in did and how long it took, and of whom not a word."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from b2b_idp import tracing
from b2b_idp.testing import Kit
from b2b_idp.testing.wsgi import exchange

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """Spans of this process, whose provider can be set only once."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    tracing.start()
    yield exporter
    tracing.stop()


def parent(span: ReadableSpan, among: tuple[ReadableSpan, ...]) -> str | None:
    return next((s.name for s in among if span.parent and s.context.span_id == span.parent.span_id), None)


def test_a_sign_in_is_told_in_spans(b2b_idp: Kit, spans: InMemorySpanExporter) -> None:
    home = b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    app, ada = b2b_idp.app("crm", requires="mfa"), b2b_idp.invite("ada@fabrikam.example")
    spans.clear()
    b2b_idp.sign_in(ada, app, amr=["pwd", "mfa"])
    done = spans.get_finished_spans()
    inside = {(s.name, parent(s, done)) for s in done}
    assert {
        ("GET /authorize", None),
        ("sign-in: begin", "GET /authorize"),
        ("GET home", "sign-in: begin"),
        ("sign-in: home answered", "GET /federation/<uuid:tenant_id>/callback"),
        ("POST home", "sign-in: home answered"),
        ("decision", "transaction"),
        ("transaction", "sign-in: conclude"),
        ("issue tokens", "transaction"),
        ("transaction", "POST /token"),
    } <= inside, inside
    upstream = next(s for s in done if s.name == "POST home")
    assert upstream.kind is trace.SpanKind.CLIENT
    assert dict(upstream.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "b2b_idp.home": home.tenant_id,
    }
    decisions = [(s.attributes or {})["b2b_idp.step"] for s in done if s.name == "decision"]
    assert decisions[0] == "Depart"
    assert decisions[-1] == "Issue"


def test_spans_hold_no_person_and_no_secret(b2b_idp: Kit, spans: InMemorySpanExporter) -> None:
    b2b_idp.home_tenant("northwind.example")
    app, nora = b2b_idp.app("crm", requires="mfa"), b2b_idp.invite("nora@northwind.example")
    done = b2b_idp.sign_in(nora, app, amr=["pwd"])
    b2b_idp.sign_in(nora, app, prompt="none", max_age="0")
    exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/redeem?ticket=canary", {"Authorization": "Bearer canary"})
    text = json.dumps([json.loads(s.to_json()) for s in spans.get_finished_spans()])
    tokens = [done.tokens["access_token"], done.tokens["id_token"]]
    for word in ("nora", "canary", nora.id, app.client_secret, *tokens):
        assert word not in text, word


def test_a_callers_trace_is_named_and_not_joined(b2b_idp: Kit, spans: InMemorySpanExporter) -> None:
    for sent in (CALLER, "garbage", "00-" + "0" * 32 + "-b7ad6b7169203331-01", CALLER + "x" * 9000):
        exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/jwks", {"traceparent": sent})
    first, *others = spans.get_finished_spans()
    assert first.parent is None
    assert [trace.format_span_id(link.context.span_id) for link in first.links] == ["b7ad6b7169203331"]
    assert [o.links for o in others] == [()] * 3


def test_what_goes_wrong_is_told_by_its_code(b2b_idp: Kit, spans: InMemorySpanExporter) -> None:
    exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/redeem?ticket=x", {})
    begun = next(s for s in spans.get_finished_spans() if s.name == "sign-in: begin redemption")
    assert (begun.attributes or {})["error.type"] == "invitation_invalid"
    assert begun.events == ()
    assert begun.status.description is None


def test_lines_of_the_log_name_their_span(spans: InMemorySpanExporter) -> None:
    assert tracing.ids() == {}
    with tracing.span("work"):
        ids = tracing.ids()
    (span,) = spans.get_finished_spans()
    assert ids["trace_id"] == trace.format_trace_id(span.context.trace_id)
    assert ids["span_id"] == trace.format_span_id(span.context.span_id)


def test_where_nobody_collects_spans_nothing_of_it_is_imported() -> None:
    code = """
import sys
from b2b_idp.testing import Kit
kit = Kit()
kit.home_tenant("fabrikam.example")
assert kit.sign_in(kit.invite("ada@fabrikam.example"), kit.app("crm")).error is None
print([m for m in sys.modules if m.startswith("opentelemetry")])
kit.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
