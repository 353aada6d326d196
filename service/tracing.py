"""Traces (OpenTelemetry): a span for each request, and one for each batched call, with links to its requests.

Imported only when traces are configured: it needs the optional dependency `wallets[otel]`.
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
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, Tracer, format_trace_id, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.database.batcher import Batcher, Call, Row
from service.limits import Limits
from service.web import TRACE_ID, Handler

_NAME = "wallets"
# As many as the specification lets a span keep.
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
        """Traces every request, and sends the remaining spans when the application ends."""
        app.middlewares.insert(0, self._middleware())
        app.cleanup_ctx.append(self._flush)

    def batcher(self, function: str, call: Call[Any], limits: Limits) -> Batcher[Any]:
        """A batcher whose calls are traced, each with links to the requests in its batch."""
        return _TracedBatcher(self._tracer, function, call, limits)

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


class _TracedBatcher(Batcher[Any]):
    """A batcher that knows the span of each of its requests until that has a result."""

    def __init__(self, tracer: Tracer, function: str, call: Call[Any], limits: Limits) -> None:
        super().__init__(self._traced, limits)
        self._tracer = tracer
        self._function = function
        self._traced_call = call
        self._contexts: dict[int, SpanContext] = {}

    def apply(self, request: Any) -> asyncio.Future[Row]:
        result = super().apply(request)
        self._contexts[id(request)] = get_current_span().get_span_context()
        result.add_done_callback(lambda _: self._contexts.pop(id(request), None))
        return result

    async def apply_all(self, requests: Sequence[Any]) -> list[Row | BaseException]:
        context = get_current_span().get_span_context()
        self._contexts.update((id(request), context) for request in requests)
        try:
            return await super().apply_all(requests)
        finally:
            for request in requests:
                self._contexts.pop(id(request), None)

    async def _traced(self, requests: Sequence[Any]) -> Sequence[Row]:
        contexts = (self._contexts.get(id(request)) for request in requests)
        with self._tracer.start_as_current_span(
            f"wallet.{self._function}",
            kind=SpanKind.CLIENT,
            links=[Link(context) for context in contexts if context is not None][:_MAX_LINKS],
            attributes={"db.system.name": "postgresql", "db.operation.batch.size": len(requests)},
        ):
            return await self._traced_call(requests)
