"""Spans of OpenTelemetry where somebody collects them. Else nothing of it is imported, and a span is a look at a name.

Attributes say what happened and never to whom: no address, no name, no claim; people are not in them at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from b2b_idp.model.problem import Problem
from b2b_idp.version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, SpanKind, Tracer

P = ParamSpec("P")
T = TypeVar("T")
Attributes = Mapping[str, str | int | bool]
MAX_TRACEPARENT = 55
"""Characters of a W3C `traceparent` of version 00."""

_tracer: Tracer | None = None


def start() -> None:
    """From now on spans are made, by this process's tracer provider. Raises ImportError without opentelemetry-api."""
    global _tracer  # noqa: PLW0603 - one a process, as opentelemetry has one provider
    from opentelemetry import trace

    _tracer = trace.get_tracer("b2b_idp", __version__)


def stop() -> None:
    """No more spans are made."""
    global _tracer  # noqa: PLW0603
    _tracer = None


def on() -> bool:
    """Whether spans are made."""
    return _tracer is not None


class Span:
    """One span, the current one from `enter` to `exit`. What goes wrong in it is told by its code alone: the texts of
    exceptions may name people."""

    def __init__(self, tracer: Tracer, name: str, kind: SpanKind, attributes: Attributes, caller: str = "") -> None:
        from opentelemetry import context, trace

        # a caller's trace is named and not joined: whoever sends a request would choose what is sampled here
        links = [trace.Link(c)] if (c := _context_of(caller)) is not None else ()
        self._span = tracer.start_span(name, kind=kind, attributes=attributes, links=links)
        self._attach, self._detach = context.attach, context.detach
        self._within = trace.set_span_in_context(self._span)

    def set(self, attributes: Attributes) -> None:
        """Adds what is known only now."""
        self._span.set_attributes(attributes)

    def fail(self, what: str) -> None:
        """Marks it as gone wrong; `what` is a code or the name of a type."""
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", what)
        self._span.set_status(StatusCode.ERROR)

    def __enter__(self) -> Span:
        self._token = self._attach(self._within)
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self._detach(self._token)
        if isinstance(e, Problem):
            self.fail(e.code.value)
        elif e is not None:
            self.fail(type(e).__name__)
        self._span.end()


_NONE: AbstractContextManager[None] = nullcontext()


def span(name: str, attributes: Attributes | None = None) -> AbstractContextManager[Span | None]:
    """A span of work in this process."""
    if _tracer is None:
        return _NONE
    from opentelemetry.trace import SpanKind

    return Span(_tracer, name, SpanKind.INTERNAL, attributes or {})


def traced(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Makes each call of a function a span of work."""

    def decorate(do: Callable[P, T]) -> Callable[P, T]:
        @wraps(do)
        def spanned(*args: P.args, **kwargs: P.kwargs) -> T:
            with span(name):
                return do(*args, **kwargs)

        return spanned

    return decorate


def client_span(name: str, attributes: Attributes) -> AbstractContextManager[Span | None]:
    """A span of a request to another server, which is not told of our trace."""
    if _tracer is None:
        return _NONE
    from opentelemetry.trace import SpanKind

    return Span(_tracer, name, SpanKind.CLIENT, attributes)


def server_span(name: str, attributes: Attributes, traceparent: str) -> Span | None:
    """A span of a request that is answered here; the caller enters and leaves it. `traceparent` as it was sent."""
    if _tracer is None:
        return None
    from opentelemetry.trace import SpanKind

    return Span(_tracer, name, SpanKind.SERVER, attributes, traceparent)


def ids() -> Mapping[str, str]:
    """`trace_id` and `span_id` of the current span, for lines of the log; empty where there is none."""
    if _tracer is None:
        return {}
    from opentelemetry import trace

    here = trace.get_current_span().get_span_context()
    if not here.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(here.trace_id), "span_id": trace.format_span_id(here.span_id)}


def _context_of(traceparent: str) -> SpanContext | None:
    """W3C Trace Context §3.2; None for what is none."""
    if not traceparent or len(traceparent) > MAX_TRACEPARENT:
        return None
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    found = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    context = trace.get_current_span(found).get_span_context()
    return context if context.is_valid and context.is_remote else None
