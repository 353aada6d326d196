"""Traces, by OpenTelemetry: a span for each request, and one for each call of the database, linked to its requests.

Imported only where traces are asked for: what it needs is the optional dependency `wallets[otel]`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from aiohttp import web
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, format_trace_id, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.database.batcher import Batcher, Call
from service.limits import Limits
from service.web import TRACE_ID, Handler

_NAME = "wallets"
# What the specification has a span keep at most.
_MAX_LINKS = 128

_propagator = TraceContextTextMapPropagator()


class Tracing:
    """Sends the spans of one application to a collector (OTLP over HTTP)."""

    def __init__(self, endpoint: str) -> None:
        resource = Resource.create({SERVICE_NAME: _NAME, SERVICE_VERSION: version("wallets")})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))
        )
        self._tracer = self._provider.get_tracer(_NAME)

    def setup(self, app: web.Application) -> None:
        """Has every request traced, and what is left sent when the application ends."""
        app.middlewares.insert(0, self._middleware())
        app.cleanup_ctx.append(self._flush)

    def batcher(self, function: str, call: Call[Any], limits: Limits) -> Batcher[Any]:
        """A batcher whose calls are traced."""
        contexts: dict[int, SpanContext] = {}

        async def traced(requests: Sequence[Any]) -> Sequence[Any]:
            linked = (contexts.get(id(request)) for request in requests)
            links = [Link(context) for context in linked if context is not None][:_MAX_LINKS]
            attributes: dict[str, str | int] = {
                "db.system.name": "postgresql",
                "db.operation.batch.size": len(requests),
            }
            with self._tracer.start_as_current_span(
                f"wallet.{function}", kind=SpanKind.CLIENT, links=links, attributes=attributes
            ):
                return await call(requests)

        class Traced(Batcher[Any]):
            def _accept(self, request: Any) -> Any:
                waiting = super()._accept(request)
                contexts[id(request)] = get_current_span().get_span_context()
                waiting.answer.add_done_callback(lambda _: contexts.pop(id(request), None))
                return waiting

        return Traced(traced, limits)

    def _middleware(self) -> Any:
        @web.middleware
        async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
            match = request.match_info
            resource = match.route.resource if match.http_exception is None else None
            route = resource.canonical if resource is not None else "unmatched"
            with self._tracer.start_as_current_span(
                f"{request.method} {route}",
                context=_propagator.extract(request.headers),
                kind=SpanKind.SERVER,
                attributes={"http.request.method": request.method, "http.route": route},
            ) as span:
                request[TRACE_ID] = format_trace_id(span.get_span_context().trace_id)
                response = await handler(request)
                span.set_attribute("http.response.status_code", response.status)
                if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    span.set_status(StatusCode.ERROR)
                return response

        return trace

    async def _flush(self, _: web.Application) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(self._provider.shutdown)
